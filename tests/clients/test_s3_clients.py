"""Tools that people use with S3, each on a round trip, plain and over TLS: large files, many, listed, moved, deleted."""

import filecmp
import hashlib
import json
import os
import ssl
import subprocess
import sys
import urllib.request
from pathlib import Path

import awswrangler
import boto3
import boto3.s3.transfer
import botocore.exceptions
import duckdb
import duckdb_extensions
import pandas
import pyarrow
import pyarrow.dataset
import pyarrow.fs
import pyarrow.parquet
import pytest

from conftest import ALICE, REGION

MIB = 1024 * 1024
TOOLS = Path(sys.executable).parent
FSSPEC = Path(__file__).parent / ".venv-fsspec/bin/python"


@pytest.fixture(scope="module", params=["http", "https"])
def site(request):
    return request.getfixturevalue("node" if request.param == "http" else "secure_node")


@pytest.fixture
def bucket(site, unique):
    name = unique("tools")
    site.client("s3").create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    return name


@pytest.fixture(scope="module")
def folder_of_files(tmp_path_factory):
    """A small tree with a large file, an empty one and odd names."""
    root = tmp_path_factory.mktemp("files")
    (root / "deep/er").mkdir(parents=True)
    (root / "large").write_bytes(os.urandom(20 * MIB + 1))
    (root / "empty").write_bytes(b"")
    (root / "deep/er/a b+c%.txt").write_bytes(b"odd")
    (root / "deep/\u00fcml\u00e4ut").write_bytes(b"umlaut")
    for n in range(30):
        (root / f"deep/small-{n:02}").write_bytes(os.urandom(1000 + n))
    return root


def same(left, right):
    """Whether two trees hold the same files."""
    names = lambda root: sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())  # noqa: E731
    assert names(left) == names(right)
    _, different, broken = filecmp.cmpfiles(left, right, names(left), shallow=False)
    assert not different and not broken, (different, broken)


def keys(site, bucket, prefix=""):
    pages = site.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return [found["Key"] for page in pages for found in page.get("Contents", [])]


def run(site, command, env=None, check=True):
    done = subprocess.run(
        [str(part) for part in command],
        env=site.environment() | (env or {}),
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert not check or done.returncode == 0, f"{command}: {done.stdout} {done.stderr}"
    return done.stdout


def test_aws_s3_copies_syncs_moves_and_removes(site, bucket, folder_of_files, tmp_path):
    count = len([path for path in folder_of_files.rglob("*") if path.is_file()])
    # The CLI keeps a connection on which an empty file was put, if it may, and mistakes the next answer on it.
    site.aws("s3", "sync", folder_of_files, f"s3://{bucket}/tree")
    assert len(keys(site, bucket)) == count
    assert site.aws("s3", "sync", folder_of_files, f"s3://{bucket}/tree") == "", "nothing is left to do"
    site.aws("s3", "cp", "--recursive", f"s3://{bucket}/tree", tmp_path / "back")
    same(folder_of_files, tmp_path / "back")
    site.aws("s3", "sync", f"s3://{bucket}/tree/deep", f"s3://{bucket}/copied")
    site.aws("s3", "mv", f"s3://{bucket}/tree/large", f"s3://{bucket}/moved")
    assert "tree/large" not in keys(site, bucket) and "moved" in keys(site, bucket)
    assert "Total Objects: %d" % (2 * count - 2) in site.aws("s3", "ls", "--recursive", "--summarize", f"s3://{bucket}")
    url = site.aws("s3", "presign", f"s3://{bucket}/moved", "--expires-in", "60").strip()
    trust = ssl.create_default_context(cafile=str(site.authority)) if site.authority else None
    with urllib.request.urlopen(url, context=trust) as answer:
        assert hashlib.sha256(answer.read()).digest() == hashlib.sha256((folder_of_files / "large").read_bytes()).digest()
    site.aws("s3", "rm", "--recursive", f"s3://{bucket}")
    assert keys(site, bucket) == []
    site.aws("s3", "rb", f"s3://{bucket}")


def test_aws_s3api_says_what_it_stores(site, bucket, folder_of_files, tmp_path):
    def api(*arguments):
        said = site.aws("s3api", *arguments)
        return json.loads(said) if said else {}

    place = ["--bucket", bucket, "--key", "k"]
    put = api("put-object", *place, "--body", folder_of_files / "large", "--checksum-algorithm", "SHA256", "--metadata", "a=b")
    head = api("head-object", *place, "--checksum-mode", "ENABLED")
    assert head["ChecksumSHA256"] == put["ChecksumSHA256"] and head["Metadata"] == {"a": "b"}
    part = api("get-object", *place, "--range", "bytes=100-199", tmp_path / "part")
    assert part["ContentRange"] == f"bytes 100-199/{20 * MIB + 1}"
    assert (tmp_path / "part").read_bytes() == (folder_of_files / "large").read_bytes()[100:200]
    for n in range(5):
        api("put-object", "--bucket", bucket, "--key", f"many/{n}", "--body", folder_of_files / "empty")
    found = api("list-objects-v2", "--bucket", bucket, "--prefix", "many/", "--page-size", "2")
    assert [entry["Key"] for entry in found["Contents"]] == [f"many/{n}" for n in range(5)]
    api("delete-objects", "--bucket", bucket, "--delete", json.dumps({"Objects": [{"Key": f"many/{n}"} for n in range(5)]}))
    assert keys(site, bucket) == ["k"]


def test_boto3_transfers_in_parts(site, bucket, folder_of_files, tmp_path):
    s3 = site.client("s3")
    settings = boto3.s3.transfer.TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB, max_concurrency=4)
    s3.upload_file(str(folder_of_files / "large"), bucket, "large", Config=settings, ExtraArgs={"ChecksumAlgorithm": "SHA256"})
    assert s3.head_object(Bucket=bucket, Key="large")["ETag"].endswith('-5"')
    s3.copy({"Bucket": bucket, "Key": "large"}, bucket, "copied", Config=settings)
    with open(folder_of_files / "large", "rb") as file:
        s3.upload_fileobj(file, bucket, "stream", Config=settings)
    for key in ["large", "copied", "stream"]:
        s3.download_file(bucket, key, str(tmp_path / key), Config=settings)
        assert filecmp.cmp(folder_of_files / "large", tmp_path / key, shallow=False), key


def s5cmd_of(site):
    """Runs s5cmd against the node."""
    trust = {"SSL_CERT_FILE": str(site.authority)} if site.authority else {}
    return lambda *arguments: run(site, [TOOLS / "s5cmd", "--endpoint-url", site.endpoint, *arguments], trust)


def test_s5cmd_round_trip(site, bucket, folder_of_files, tmp_path):
    s5cmd = s5cmd_of(site)
    s5cmd("cp", "--part-size", "5", f"{folder_of_files}/", f"s3://{bucket}/tree/")
    assert s5cmd("sync", f"{folder_of_files}/", f"s3://{bucket}/tree/") == "", "nothing is left to do"
    s5cmd("cp", f"s3://{bucket}/tree/*", f"{tmp_path}/back/")
    same(folder_of_files, tmp_path / "back")
    assert s5cmd("cat", f"s3://{bucket}/tree/deep/er/a b+c%.txt") == "odd"
    assert "large" in s5cmd("ls", f"s3://{bucket}/tree/")
    s5cmd("mv", f"s3://{bucket}/tree/large", f"s3://{bucket}/moved")
    s5cmd("cp", f"s3://{bucket}/tree/deep/*", f"s3://{bucket}/copied/")
    assert "tree/large" not in keys(site, bucket) and len(keys(site, bucket, "copied/")) == 32
    s5cmd("rm", f"s3://{bucket}/*")
    assert keys(site, bucket) == []


def rclone_of(site):
    """Runs rclone against the node, whose remote is `node:`."""
    settings = {
        "RCLONE_CONFIG": os.devnull,
        "RCLONE_CONFIG_NODE_TYPE": "s3",
        # As for AWS it sends checksums behind the body, which its SDK does over TLS only.
        "RCLONE_CONFIG_NODE_PROVIDER": "AWS" if site.authority else "Other",
        "RCLONE_CONFIG_NODE_ENV_AUTH": "true",
        "RCLONE_CONFIG_NODE_ENDPOINT": site.endpoint,
        "RCLONE_CONFIG_NODE_REGION": REGION,
        "RCLONE_CONFIG_NODE_FORCE_PATH_STYLE": "true",
    } | ({"RCLONE_CA_CERT": str(site.authority)} if site.authority else {})
    return lambda *arguments: run(site, [TOOLS / "rclone", *arguments], settings)


def test_rclone_round_trip(site, bucket, folder_of_files, tmp_path):
    rclone = rclone_of(site)
    remote = f"node:{bucket}/tree"
    rclone("copy", "--s3-upload-cutoff", "5M", "--s3-chunk-size", "5M", folder_of_files, remote)
    rclone("check", folder_of_files, remote)
    rclone("check", "--download", folder_of_files, remote)
    rclone("sync", remote, tmp_path / "back")
    same(folder_of_files, tmp_path / "back")
    (tmp_path / "back/empty").unlink()
    (tmp_path / "back/new").write_bytes(b"new")
    rclone("sync", tmp_path / "back", remote)
    assert "tree/empty" not in keys(site, bucket) and "tree/new" in keys(site, bucket)
    assert json.loads(rclone("size", "--json", remote))["count"] == len(keys(site, bucket, "tree/"))
    rclone("moveto", f"{remote}/large", f"node:{bucket}/moved")
    assert rclone("cat", f"{remote}/deep/er/a b+c%.txt") == "odd"
    rclone("purge", f"node:{bucket}")
    with pytest.raises(botocore.exceptions.ClientError):
        site.client("s3").head_bucket(Bucket=bucket)


def test_tools_see_versions(site, bucket):
    s3 = site.client("s3")
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    ids = [s3.put_object(Bucket=bucket, Key="file.txt", Body=body)["VersionId"] for body in (b"first", b"second", b"third")]
    s3.delete_object(Bucket=bucket, Key="file.txt")
    s5cmd, rclone = s5cmd_of(site), rclone_of(site)
    listed = s5cmd("ls", "--all-versions", f"s3://{bucket}/")
    assert all(version in listed for version in ids), listed
    assert s5cmd("cat", "--version-id", ids[1], f"s3://{bucket}/file.txt") == "second"
    assert rclone("lsf", f"node:{bucket}") == ""
    assert len(rclone("lsf", "--s3-versions", f"node:{bucket}").split()) == 3
    rclone("backend", "cleanup-hidden", f"node:{bucket}")
    found = json.loads(site.aws("s3api", "list-object-versions", "--bucket", bucket) or "{}")
    assert "Versions" not in found and "DeleteMarkers" not in found, found


def test_s3fs_round_trip(site, bucket, folder_of_files):
    assert FSSPEC.exists(), "run tests/clients/setup.sh"
    script = Path(__file__).parent / "fsspec/round_trip.py"
    assert run(site, [FSSPEC, script, bucket, folder_of_files / "large"]).strip() == "done"


def flights(rows=200_000):
    return pandas.DataFrame({
        "id": range(rows),
        "carrier": [["AA", "BB", "CC"][n % 3] for n in range(rows)],
        "delay": [n % 97 / 7 for n in range(rows)],
    })


def test_pyarrow_writes_and_reads_parquet(site, bucket):
    fs = pyarrow.fs.S3FileSystem(
        access_key=ALICE.access_key,
        secret_key=ALICE.secret,
        region=REGION,
        scheme="https" if site.authority else "http",
        endpoint_override=f"127.0.0.1:{site.port}",
        **({"tls_ca_file_path": str(site.authority)} if site.authority else {}),
    )
    table = pyarrow.Table.from_pandas(flights())
    pyarrow.parquet.write_table(table, f"{bucket}/one.parquet", filesystem=fs)
    assert pyarrow.parquet.read_table(f"{bucket}/one.parquet", filesystem=fs) == table
    pyarrow.dataset.write_dataset(table, f"{bucket}/set", format="parquet", partitioning=["carrier"], filesystem=fs)
    found = pyarrow.dataset.dataset(f"{bucket}/set", format="parquet", partitioning=["carrier"], filesystem=fs)
    assert found.count_rows(filter=pyarrow.dataset.field("carrier") == "BB") == len(flights()[lambda t: t.carrier == "BB"])
    with fs.open_output_stream(f"{bucket}/large") as out:
        for _ in range(6):
            out.write(b"x" * 5 * MIB)
    assert fs.get_file_info(f"{bucket}/large").size == 30 * MIB
    fs.move(f"{bucket}/large", f"{bucket}/moved")
    selector = pyarrow.fs.FileSelector(f"{bucket}/set", recursive=True)
    assert sum(info.type == pyarrow.fs.FileType.File for info in fs.get_file_info(selector)) == 3
    fs.delete_dir(f"{bucket}/set")
    assert sorted(keys(site, bucket)) == ["moved", "one.parquet"]


def test_duckdb_reads_and_writes_parquet(site, bucket):
    database = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    duckdb_extensions.import_extension("httpfs", con=database)
    database.execute("LOAD httpfs")
    if site.authority:
        database.execute(f"SET ca_cert_file = '{site.authority}'")
    database.execute(
        f"CREATE SECRET node (TYPE s3, KEY_ID '{ALICE.access_key}', SECRET '{ALICE.secret}', REGION '{REGION}', "
        f"ENDPOINT '127.0.0.1:{site.port}', URL_STYLE 'path', USE_SSL {bool(site.authority)})"
    )
    table = flights()
    database.register("flights", table)
    database.execute(f"COPY flights TO 's3://{bucket}/one.parquet' (FORMAT parquet)")
    database.execute(f"COPY flights TO 's3://{bucket}/set' (FORMAT parquet, PARTITION_BY (carrier))")
    assert len(keys(site, bucket, "set/")) >= 3
    count, total = database.execute(f"SELECT count(*), sum(id) FROM 's3://{bucket}/one.parquet'").fetchone()
    assert (count, total) == (len(table), table.id.sum())
    per_carrier = database.execute(
        f"SELECT carrier, count(*) FROM read_parquet('s3://{bucket}/set/*/*.parquet', hive_partitioning = true) GROUP BY 1"
    ).fetchall()
    assert dict(per_carrier) == table.carrier.value_counts().to_dict()


def test_awswrangler_round_trip(site, bucket, monkeypatch):
    if site.authority:
        monkeypatch.setenv("AWS_CA_BUNDLE", str(site.authority))
    monkeypatch.setattr(awswrangler.config, "s3_endpoint_url", site.endpoint)
    session = boto3.Session(ALICE.access_key, ALICE.secret, region_name=REGION)
    table, place = flights(), f"s3://{bucket}/wrangled/"
    awswrangler.s3.to_parquet(table, place, dataset=True, partition_cols=["carrier"], boto3_session=session)
    got = awswrangler.s3.read_parquet(place, dataset=True, boto3_session=session)
    assert len(got) == len(table) and got.id.sum() == table.id.sum()
    files = awswrangler.s3.list_objects(place, boto3_session=session)
    assert len(files) == 3 and all(size > 0 for size in awswrangler.s3.size_objects(files, boto3_session=session).values())
    awswrangler.s3.to_csv(table.head(10), f"s3://{bucket}/ten.csv", index=False, boto3_session=session)
    assert len(awswrangler.s3.read_csv(f"s3://{bucket}/ten.csv", boto3_session=session)) == 10
    awswrangler.s3.delete_objects(place, boto3_session=session)
    assert keys(site, bucket) == ["ten.csv"]
