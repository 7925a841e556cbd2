"""Archives in buckets of S3 and of servers that speak its language; the only place with boto3."""

from __future__ import annotations

from storage.s3.destination import S3Destination
from storage.s3.locations import open_s3_destination, open_s3_source
from storage.s3.source import S3Source

__all__ = ["S3Destination", "S3Source", "open_s3_destination", "open_s3_source"]
