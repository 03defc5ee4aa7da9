"""Replies to control messages, and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poise.net.replies import Reply, reply_of


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (b'{"result":null,"id":7}', Reply(7, "")),
        (b'{"id":1,"result":["a"]}', Reply(1, "")),
        (b'{"error":{"code":2,"msg":"no"},"id":3}', Reply(3, "2 no")),
        (b'{"jsonrpc":"2.0","id":3,"error":{"code":-3,"message":"bad"}}', Reply(3, "-3 bad")),
        (b'{"code":2,"msg":"no","id":3}', Reply(3, "2 no")),
        (b'{"code":0,"msg":"","id":3}', Reply(3, "")),
        (b'{"result":null,"id":null}', None),
        (b'{"result":null}', None),
        (b'{"stream":"a@trade","data":{}}', None),
        (b'{"id":"7"}', None),
        (b"[1]", None),
        (b"\xff\xfe", None),
        (b"", None),
        (b'{"id":1,"x":"' + b"y" * 5000 + b'"}', None),
        (b"[" * 4000, None),
    ],
)
def test_replies(payload, expected):
    assert reply_of(payload) == expected


@given(st.binary(max_size=200))
def test_garbage_never_raises(payload):
    reply_of(payload)
