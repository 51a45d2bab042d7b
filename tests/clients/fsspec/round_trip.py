"""What s3fs does with a bucket: `python round_trip.py BUCKET FILE`, endpoint and keys from the environment."""

import os
import sys

import s3fs

bucket, path = sys.argv[1:]
bundle = os.environ.get("AWS_CA_BUNDLE")
fs = s3fs.S3FileSystem(
    endpoint_url=os.environ["AWS_ENDPOINT_URL"],
    client_kwargs={"region_name": os.environ["AWS_REGION"], "verify": bundle},
    use_listings_cache=False,
)
content = open(path, "rb").read()

fs.put(path, f"{bucket}/s3fs/dir/large")
assert fs.info(f"{bucket}/s3fs/dir/large")["size"] == len(content)
with fs.open(f"{bucket}/s3fs/dir/large", "rb") as file:
    file.seek(len(content) - 10)
    assert file.read() == content[-10:]
    file.seek(1_000_000)
    assert file.read(100) == content[1_000_000:1_000_100]
assert fs.cat(f"{bucket}/s3fs/dir/large") == content

with fs.open(f"{bucket}/s3fs/written", "wb", block_size=5 * 2**20) as file:
    for at in range(0, len(content), 3_000_000):
        file.write(content[at : at + 3_000_000])
assert fs.cat(f"{bucket}/s3fs/written") == content

fs.pipe({f"{bucket}/s3fs/many/{n:04}": str(n).encode() for n in range(1100)})
assert len(fs.ls(f"{bucket}/s3fs/many", detail=False)) == 1100
assert fs.glob(f"{bucket}/s3fs/many/10[0-4]0") == [f"{bucket}/s3fs/many/10{n}0" for n in range(5)]
assert sorted(fs.ls(f"{bucket}/s3fs", detail=False)) == [f"{bucket}/s3fs/{name}" for name in ("dir", "many", "written")]
assert fs.du(f"{bucket}/s3fs/many") == sum(len(str(n)) for n in range(1100))

fs.copy(f"{bucket}/s3fs/written", f"{bucket}/s3fs/copied")
fs.mv(f"{bucket}/s3fs/copied", f"{bucket}/s3fs/moved")
assert not fs.exists(f"{bucket}/s3fs/copied") and fs.cat(f"{bucket}/s3fs/moved") == content
fs.setxattr(f"{bucket}/s3fs/moved", color="blue")
assert fs.getxattr(f"{bucket}/s3fs/moved", "color") == "blue"
fs.rm(f"{bucket}/s3fs", recursive=True)
assert fs.find(f"{bucket}/s3fs") == []
try:
    fs.info(f"{bucket}/s3fs/moved")
    raise AssertionError("it is gone")
except FileNotFoundError:
    print("done")
