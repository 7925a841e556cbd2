"""Training of the shipped networks; see README.md in this folder."""
