"""The subcommands of `restore-archive`: each module declares its arguments and runs."""
