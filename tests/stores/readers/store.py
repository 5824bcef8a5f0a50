"""Looks at a prefix of an object store through a client of another make: boto3 for S3, pyarrow for Google's.

usage: store.py s3|gcs ENDPOINT BUCKET PREFIX list|fetch FOLDER|put TEXT NAME...|leave NAME...|clear

Prints {"objects": {NAME: BYTES}, "uploads": [NAME]}, names without the prefix. `fetch` downloads every object, `leave`
begins an upload in parts, `clear` removes everything. Google's store takes the token in STORE_TOKEN, or anybody.
"""

import json
import os
import sys
from pathlib import Path

kind, endpoint, bucket, prefix, order, *words = sys.argv[1:]


class S3:
    def __init__(self):
        import boto3
        from botocore.config import Config

        self.client = boto3.client(
            "s3",
            endpoint_url=endpoint,
            aws_access_key_id=os.environ["RIVET_TEST_S3_ACCESS_KEY"],
            aws_secret_access_key=os.environ["RIVET_TEST_S3_SECRET_KEY"],
            region_name="us-east-1",
            config=Config(s3={"addressing_style": "path"}),
        )

    def pages(self, call, key):
        for page in self.client.get_paginator(call).paginate(Bucket=bucket, Prefix=prefix):
            yield from page.get(key, [])

    def objects(self):
        return {item["Key"]: item["Size"] for item in self.pages("list_objects_v2", "Contents")}

    def uploads(self):
        return [item["Key"] for item in self.pages("list_multipart_uploads", "Uploads")]

    def read(self, key):
        return self.client.get_object(Bucket=bucket, Key=key)["Body"].read()

    def put(self, key, text):
        self.client.put_object(Bucket=bucket, Key=key, Body=text.encode())

    def leave(self, key):
        upload = self.client.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
        self.client.upload_part(Bucket=bucket, Key=key, UploadId=upload, PartNumber=1, Body=b"left")

    def clear(self):
        for key in self.objects():
            self.client.delete_object(Bucket=bucket, Key=key)
        for upload in self.pages("list_multipart_uploads", "Uploads"):
            self.client.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])


class Gcs:
    def __init__(self):
        import datetime

        from pyarrow import fs

        self.fs = fs
        # Else it repeats for a quarter of an hour what a server refuses.
        where = {"endpoint_override": endpoint.removeprefix("http://"), "scheme": "http", "retry_time_limit": datetime.timedelta(seconds=10)}
        if token := os.environ.get("STORE_TOKEN"):
            expiry = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)
            self.store = fs.GcsFileSystem(access_token=token, credential_token_expiration=expiry, **where)
        else:
            self.store = fs.GcsFileSystem(anonymous=True, **where)

    def objects(self):
        folder = self.fs.FileSelector(f"{bucket}/{prefix}".rstrip("/"), recursive=True, allow_not_found=True)
        found = self.store.get_file_info(folder)
        files = (info for info in found if info.type == self.fs.FileType.File)
        return {info.path.removeprefix(f"{bucket}/"): info.size for info in files}

    def uploads(self):
        return []

    def read(self, key):
        with self.store.open_input_stream(f"{bucket}/{key}") as stream:
            return stream.read()

    def put(self, key, text):
        with self.store.open_output_stream(f"{bucket}/{key}") as stream:
            stream.write(text.encode())


store = {"s3": S3, "gcs": Gcs}[kind]()
if order == "put":
    for name in words[1:]:
        store.put(prefix + name, words[0])
if order == "leave":
    for name in words:
        store.leave(prefix + name)
if order == "clear":
    store.clear()
objects = store.objects()
if order == "fetch":
    for key in objects:
        path = Path(words[0]) / key.removeprefix(prefix)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(store.read(key))
print(
    json.dumps(
        {
            "objects": {key.removeprefix(prefix): size for key, size in objects.items()},
            "uploads": [key.removeprefix(prefix) for key in store.uploads()],
        }
    )
)
