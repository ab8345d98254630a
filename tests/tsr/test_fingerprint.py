import hashlib

import pytest

from tsr import CheckpointError
from tsr.fingerprint import check_fingerprint, record_of, sha256_of, write_fingerprint


@pytest.fixture
def weights(tmp_path):
    path = tmp_path / "model.ckpt"
    path.write_bytes(b"weights")
    return path


def test_a_fingerprint_is_the_sha256_in_the_form_that_sha256sum_reads(weights):
    digest = hashlib.sha256(b"weights").hexdigest()
    assert sha256_of(weights) == check_fingerprint(weights) == digest
    write_fingerprint(weights, digest)
    assert record_of(weights).read_text() == f"{digest}  model.ckpt\n"


def test_a_record_in_capitals_or_without_a_name_is_read_too(weights):
    record_of(weights).write_text(hashlib.sha256(b"weights").hexdigest().upper())
    check_fingerprint(weights)


def test_another_content_is_told(weights):
    write_fingerprint(weights, check_fingerprint(weights))
    weights.write_bytes(b"weighty")
    with pytest.raises(CheckpointError, match=r"model\.ckpt is not the file it was"):
        check_fingerprint(weights)


@pytest.mark.parametrize("record", ["", "abc", "g" * 64, "a" * 65])
def test_a_record_that_is_no_sha256_does_not_pass_for_one(weights, record):
    record_of(weights).write_text(record)
    with pytest.raises(CheckpointError, match="holds no sha256"):
        check_fingerprint(weights)


def test_the_first_record_stays(weights):
    write_fingerprint(weights, "a" * 64)
    write_fingerprint(weights, "b" * 64)
    assert record_of(weights).read_text().startswith("aaa")
