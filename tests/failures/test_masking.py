"""Secrets are taken out of text; everything else stays as it is."""

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from answerable.failures.masking import masked

# Written in parts, so that no scanner takes this file for a leak.
JWT = "eyJhbGciOiJIUzI1NiJ9" + ".eyJzdWIiOiIxMjM0NTY3ODkwIn0" + ".dozjgNryP4J3jVmNHl0w5N"
PEM = "-----BEGIN RSA " + "PRIVATE KEY-----\nMIIEow" + "\n-----END RSA " + "PRIVATE KEY-----"
PLAIN = "q7Zx9Lm2" + "Kp4Rt8Vw1Yb3"  # a key that has no shape of its own


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("at https://ann:s3cret@db.example/x?y=1", "at https://***@db.example/x?y=1", id="login"),
        pytest.param("postgresql://u:p@ss@db:5432/cases", "postgresql://***@db:5432/cases", id="@ within"),
        pytest.param("postgresql://u:p/a?s#s@db/cases", "postgresql://***@db/cases", id="/, ? and # within"),
        pytest.param("https://abcd1234@github.example/r", "https://***@github.example/r", id="token as user"),
        pytest.param("http://a:b@c,http://d:e@f", "http://***@c,http://***@f", id="two URLs"),
        pytest.param("redis://:hunter2@cache:6379/0", "redis://***@cache:6379/0", id="no user"),
        pytest.param("Authorization: Bearer abc.def", "Authorization: ***", id="header"),
        pytest.param("authorization=Basic dXNlcjpwYXNz", "authorization=***", id="basic"),
        pytest.param("{'Authorization': b'Token x'}", "{'Authorization': b'***'}", id="header in a dict"),
        pytest.param("Set-Cookie: sid=1; HttpOnly", "Set-Cookie: ***", id="cookie"),
        pytest.param("sent Bearer abcdef123 twice", "sent Bearer *** twice", id="bearer"),
        pytest.param("Bearer ZHVtbXlUb2tlbg", "Bearer ***", id="bearer without digits"),
        pytest.param("x-api-key: 0a1b2c", "x-api-key: ***", id="key header"),
        pytest.param("GET /v1?api_key=abc&n=2", "GET /v1?api_key=***&n=2", id="query"),
        pytest.param("/v1beta?key=abc&alt=sse", "/v1beta?key=***&alt=sse", id="short query"),
        pytest.param("?sv=1&sig=ab%2Bc%3D&se=2", "?sv=1&sig=***&se=2", id="shared access signature"),
        pytest.param('{"password": "a\\"b", "n": 1}', '{"password": "***", "n": 1}', id="JSON"),
        pytest.param('{"client_secret":"x","n":1}', '{"client_secret":"***","n":1}', id="tight JSON"),
        pytest.param(r'{\"api_key\": \"abc\"}', r'{\"api_key\": \"***\"}', id="JSON in JSON"),
        pytest.param("{'token': 'abc'}", "{'token': '***'}", id="repr"),
        pytest.param("refresh_token=abc", "refresh_token=***", id="longer name"),
        pytest.param("OPENAI_API_KEY=abc other=1", "OPENAI_API_KEY=*** other=1", id="environment"),
        pytest.param("password = hunter2\nuser = ann", "password = ***\nuser = ann", id="ini"),
        pytest.param("password: hunter2", "password: ***", id="YAML"),
        pytest.param("host=db password=pw user=u", "host=db password=*** user=u", id="connection string"),
        pytest.param("Server=db;Pwd=pw;Uid=u", "Server=db;Pwd=***;Uid=u", id="ODBC"),
        pytest.param("AccountKey=ab+c==;X=1", "AccountKey=***;X=1", id="storage account"),
        pytest.param('password="cut in the mid', 'password="***', id="cut off"),
        pytest.param("tool --api-key abc --n 2", "tool --api-key *** --n 2", id="command line"),
        pytest.param("key sk-" + "abcDEF123456", "key ***", id="OpenAI"),
        pytest.param("sk-ant-" + "api03-AbC-1_2", "***", id="Anthropic"),
        pytest.param("provided: sk-wron" + "*********1234.", "provided: ***.", id="half masked"),
        pytest.param("AKIA" + "IOSFODNN7EXAMPLE", "***", id="AWS"),
        pytest.param("ghp_" + "a" * 36, "***", id="GitHub"),
        pytest.param("gho_" + "a" * 36, "***", id="GitHub app"),
        pytest.param("github_pat_" + "a" * 36, "***", id="GitHub fine"),
        pytest.param("xoxb-" + "123456789-abcdef", "***", id="Slack"),
        pytest.param("https://hooks.slack.com/services/T0/B0/x", "https://hooks.slack.com/services/***", id="hook"),
        pytest.param("AIza" + "b" * 35, "***", id="Google"),
        pytest.param("rk_live_" + "a1b2c3d4e5", "***", id="Stripe"),
        pytest.param("got " + JWT + ", bad", "got ***, bad", id="JWT"),
        pytest.param(f"SECRET_KEY={PLAIN}", "SECRET_KEY=***", id="secret key"),
        pytest.param(f"'secretKey': '{PLAIN}'", "'secretKey': '***'", id="secret key in camel case"),
        pytest.param(f"API key provided: {PLAIN}. You can", "API key provided: ***. You can", id="said"),
        pytest.param(f"Invalid API Key: {PLAIN}", "Invalid API Key: ***", id="name with a space"),
        pytest.param(f"the password is {PLAIN}", "the password is ***", id="sentence"),
        pytest.param(f"[('x-api-key', '{PLAIN}')]", "[('x-api-key', '***')]", id="pair"),
        pytest.param(f"(b'cookie', b'{PLAIN}'), (b'a', b'b')", "(b'cookie', b'***'), (b'a', b'b')", id="bytes pair"),
        pytest.param(f"x-functions-key: {PLAIN}", "x-functions-key: ***", id="functions"),
        pytest.param(f"GET /?sessionid={PLAIN}&a=1", "GET /?sessionid=***&a=1", id="session"),
        pytest.param(f"<password>{PLAIN}</password>", "<password>***</password>", id="XML"),
        pytest.param(f"CREATE USER a IDENTIFIED BY '{PLAIN}'", "CREATE USER a IDENTIFIED BY '***'", id="SQL"),
        pytest.param(f"ALTER ROLE a PASSWORD '{PLAIN}'", "ALTER ROLE a PASSWORD '***'", id="PostgreSQL"),
        pytest.param(f"curl -u user:{PLAIN} http://h", "curl -u user:*** http://h", id="curl"),
        pytest.param(f"OPENAI_sk-{PLAIN}", "OPENAI_***", id="glued to a name"),
        pytest.param(f"AQ.Ab8RN6{PLAIN}", "***", id="Google, new"),
        pytest.param(f"SG.{PLAIN}.{PLAIN}", "***", id="SendGrid"),
        pytest.param("dop_v1_" + "a1b2c3d4" * 8, "***", id="DigitalOcean"),
        pytest.param("shpat_" + "a1b2c3d4" * 4, "***", id="Shopify"),
        *(
            pytest.param(f"{start}{PLAIN * 3}", "***", id=start)
            for start in ("nvapi-", "pplx-", "tvly-", "ABSK", "hvs.", "pypi-", "glsa_", "ATATT", "123456789:AA")
        ),
        *(
            pytest.param(f"https://{where}{PLAIN} {PLAIN[:3]}", f"https://{left}*** {PLAIN[:3]}", id=left)
            for where, left in (
                ("discord.com/api/webhooks/1234567890/", "discord.com/api/webhooks/"),
                ("x.webhook.office.com/webhookb2/1/IncomingWebhook/", "x.webhook.office.com/webhookb2/"),
                ("api.telegram.org/bot123456789:AA", "api.telegram.org/bot"),
            )
        ),
        pytest.param("a\n" + PEM + "\nb", "a\n***\nb", id="private key"),
        pytest.param(PEM[:45], "***", id="private key cut off"),
        pytest.param(json.dumps({"pem": PEM}), '{"pem": "***"}', id="private key in JSON"),
    ],
)  # fmt: skip
def test_a_secret_is_replaced_and_what_is_around_it_stays(text: str, expected: str) -> None:
    """Only the secret is lost: scheme, host, names and the rest of the text are for the reader."""
    assert masked(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "The input token count (4031) exceeds the maximum number of tokens allowed (2048).",
        "max_tokens=64, token_type=bearer, prompt_tokens: 12",
        "Unexpected token: the parser stopped",
        "The bearer certificate has expired; basic understanding is enough.",
        "ask-something-long, task-something-very-long and risk-assessments",
        "sk-learn is not a key",
        "case 018f6b1e-7a3c-7cc1-9f0e-2b1d3c4e5f60",
        "digest 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "https://docs.example/errors?by=ann@mail.example#section",
        "https://host:8080/search?mail=ann@mail.example",
        "write to ann@mail.example",
        "password is required",
        "the password: must be 8 characters",
        "token: 151643 is out of range",
        "stop_token=2, eos_token='</s>'",
        "/path?page=2&code=DE",
        "Authorization: the customer agreed",
        "API key: none was given",
        "docker run -u 1000:1000 image",
        "columns ('password', 'created', 'token')",
        '{"password": null, "token": ""}',
        "the authorization failed",
        "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----",
        "KeyError: 'intent'",
        "",
    ],
)
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    """A mask that hides the cause of an error helps nobody."""
    assert masked(text) == text


PIECES = st.sampled_from(
    ["password", "token", "=", ": ", '"', "'", "\\", "://", "@", ":", "/", "?", "&", "key", "Bearer ", "***",
     "Authorization", "cookie", "sk-", "abc123", "Ab", "eyJ", ".", " ", "\n", "--api-key ", "b'", "%3d", ";",
     "password is ", "('", "', '", "')", "<secret>", "</", " -u a:", "api key", " by '", "the customer ", "stop_",
     "&code=", "sessionid", "123456789:A", "discord.com/api/webhooks/", "7", "must ",
     "-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----", "ghp_" + "a" * 20, ",", "AIza" + "c" * 30]
)  # fmt: skip


@settings(deadline=None, max_examples=400)
@given(st.lists(PIECES | st.text(max_size=4), max_size=14).map("".join))
def test_masking_twice_changes_nothing_more(text: str) -> None:
    """Text may pass several masks on its way to a record; its bytes must not depend on how many."""
    once = masked(text)

    assert masked(once) == once


@settings(deadline=None, max_examples=200)
@given(
    st.from_regex(r"[A-Za-z0-9]{8,40}[0-9]", fullmatch=True),
    st.sampled_from(
        ["password=%s", '{"api_key": "%s"}', "https://u:%s@h/x", "Authorization: Bearer %s", "--token %s",
         "secret='%s'", "a&access_key=%s&b", "SECRET_KEY=%s", "('x-api-key', '%s')", "<token>%s</token>",
         "curl -u 'a:b%s'", "identified by '%s'", "sessionid=%s", "https://discord.com/api/webhooks/1/%s", "sk-%s", "Pwd=%s;", "token: %s", r"\"secret\": \"%s\""]
    ),
)  # fmt: skip
def test_no_secret_survives_in_a_known_place(secret: str, place: str) -> None:
    """Whatever the value, where it stands gives it away."""
    assert secret not in masked(f"before {place % secret} after")


@pytest.mark.parametrize(
    "piece",
    ["a", "sk-", "eyJ", "eyJaaaaaaaa.", "password=", 'password="', 'password=\\"', "://", "://a:", "://a:@",
     "bearer ", "-----BEGIN PRIVATE KEY-----", "authorization:", "password  ", "\\", " --a", "'\"", "key=?",
     "('", "('password', '", "<token>", "<token>a", " -u a", "password is ", "identified with ", "SG.aaaaaaaaaaaaaaaaaaa",
     "api key: ", "stop_token=", "authorization: the customer "],
)  # fmt: skip
def test_a_large_hostile_text_stops_nobody(piece: str) -> None:
    """The time grows with the length: a second on a busy machine, where its square would be half an hour."""
    text = piece * (300_000 // len(piece))

    begun = time.thread_time()
    masked(text)

    assert time.thread_time() - begun < 30
