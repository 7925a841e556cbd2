"""The audit report: an archive's manifest and pictures as a folder of HTML that needs no server."""
