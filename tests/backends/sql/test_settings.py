"""What an address, the environment and the opener say, and that nobody is shown a password."""

import contextlib
import traceback
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metastore._plugins import open_backend
from metastore.errors import CatalogUrlError, LoginError, MetastoreError
from metastore_sql._errors import said
from metastore_sql._settings import Host, settings_of

SECRET = "s3cr3t-Wör:d@x"
AS_TYPED = "s3cr3t-W%C3%B6r:d%40x"


def read(url, environment=(), *, mode="rw", durability="full", timeout=60.0):
    return settings_of(url, dict(environment), mode=mode, durability=durability, timeout=timeout)


def test_an_address_names_user_servers_and_database():
    found = read("postgresql://ann@db1:5433,db2,[::1]:5434/cat")
    assert found.hosts == (Host("db1", 5433), Host("db2", 5432), Host("::1", 5434))
    assert (found.dialect, found.user, found.password, found.database) == ("postgresql", "ann", None, "cat")


@pytest.mark.parametrize(
    ("url", "dialect", "port"),
    [
        ("postgres://h/d", "postgresql", 5432),
        ("postgresql+psycopg://h/d", "postgresql", 5432),
        ("mariadb://h/d", "mysql", 3306),
        ("mysql+pymysql://h/d", "mysql", 3306),
        ("MySQL://h/d", "mysql", 3306),
    ],
)
def test_every_scheme_has_its_family_and_port(url, dialect, port):
    found = read(url)
    assert (found.dialect, found.hosts) == (dialect, (Host("h", port),))


def test_a_socket_is_a_directory_for_postgresql_and_a_file_for_mariadb():
    assert read("postgresql:///d?host=/run/a+b").hosts == (Host("", 5432, "/run/a+b"),)
    assert read("postgresql:///d?host=/run/a,/run/b&port=5433").hosts == (
        Host("", 5433, "/run/a"),
        Host("", 5433, "/run/b"),
    )
    assert read("mysql:///d?unix_socket=/run/s").hosts == (Host("", 3306, "/run/s"),)


def test_options_of_the_address_come_before_those_of_the_environment():
    environment = {"METASTORE_POOL_SIZE": "3", "METASTORE_CONNECT_TIMEOUT": "2.5", "METASTORE_READS": "any"}
    found = read("mysql://h/d?pool_size=7", environment)
    assert (found.pool_size, found.connect_timeout, found.reads) == (7, 2.5, "any")


def test_without_options_there_are_usual_values():
    found = read("postgresql://h/d")
    assert (found.pool_size, found.connect_timeout, found.reads, found.schema, found.tls) == (
        10,
        5.0,
        "latest",
        "public",
        {},
    )


def test_tls_is_named_alike_for_both_families():
    wanted = {"mode": "verify-ca", "root": "/ca", "cert": "/c", "key": "/k"}
    assert read("mysql://h/d?ssl_mode=verify-ca&ssl_ca=/ca&ssl_cert=/c&ssl_key=/k").tls == wanted
    environment = {"METASTORE_SSLMODE": "verify-ca", "METASTORE_SSLROOTCERT": "/ca"}
    assert read("postgresql://h/d?sslcert=/c&sslkey=/k", environment).tls == wanted


def test_whoever_names_an_authority_has_it_asked():
    assert read("mysql://h/d?ssl_ca=/ca").tls == {"mode": "verify-full", "root": "/ca"}
    assert read("mysql://h/d?sslcert=/c").tls == {"mode": "require", "cert": "/c"}
    assert read("mysql://h/d?sslcert=/c&sslmode=prefer").tls == {"mode": "prefer", "cert": "/c"}
    assert read("postgresql://h/d?sslrootcert=/ca&sslmode=prefer").tls == {"mode": "prefer", "root": "/ca"}


# passwords


def test_the_password_of_the_address_comes_before_that_of_the_environment():
    environment = {"METASTORE_PASSWORD": "other"}
    assert read(f"postgresql://ann:{AS_TYPED}@h/d", environment).password == SECRET
    assert read("postgresql://ann@h/d", environment).password == "other"


def test_a_password_may_stand_in_a_file_but_for_its_last_line_break(tmp_path):
    (tmp_path / "p").write_text(f"{SECRET} \r\n", encoding="utf-8")
    environment = {"METASTORE_PASSWORD_FILE": str(tmp_path / "p")}
    assert read("mysql://h/d", environment).password == f"{SECRET} "


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_file_of_a_password_that_cannot_be_read_is_named(tmp_path, content):
    path = tmp_path / "gone"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(LoginError, match=r"METASTORE_PASSWORD_FILE names .*gone, which cannot be read"):
        read("mysql://h/d", {"METASTORE_PASSWORD_FILE": str(path)})


def test_a_file_of_a_password_holds_no_nul(tmp_path):
    (tmp_path / "p").write_text(f"{SECRET}\0", encoding="utf-8")
    with pytest.raises(LoginError, match=r"which holds a NUL") as refused:
        read("postgresql://h/d", {"METASTORE_PASSWORD_FILE": str(tmp_path / "p")})
    assert SECRET not in str(refused.value)


def test_what_is_shown_has_everything_but_the_password():
    found = read(f"postgresql://ann:{AS_TYPED}@h,[::1]/d?schema=x&sslmode=require")
    assert found.address == "postgresql://ann@h:5432,[::1]:5432/d?schema=x"
    assert SECRET not in repr(found)


def test_an_error_of_the_server_loses_the_password_it_quotes():
    settings = read(f"mysql://ann:{AS_TYPED}@h/d")
    assert SECRET not in str(said(None, f"what is {SECRET}?", settings))


WRONG = [
    "postgresql://ann:SECRET@h",
    "postgresql://ann:SECRET@h/",
    "postgresql://ann:SECRET@h/a/b",
    "postgresql://ann:SECRET/x@h/a",
    "postgresql://ann:1/SECRET@h",
    "postgresql://ann:SECRET#x@h/a",
    "postgresql://ann:SECRET?x@h/a",
    "postgresql://ann:SECRET@h:x/d",
    "postgresql://ann:SECRET@h:70000/d",
    "postgresql://ann:SECRET@[::1/d",
    "postgresql://ann:SECRET@h/d?pasword=SECRET",
    "postgresql://ann:SECRET@h/d?password=SECRET",
    "postgresql://ann:SECRET@h/d?pool_size=0",
    "postgresql://ann:SECRET@h/d?pool_size=x",
    "postgresql://ann:SECRET@h/d?pool_size=1&pool_size=2",
    "postgresql://ann:SECRET@h/d?connect_timeout=nan",
    "postgresql://ann:SECRET@h/d?connect_timeout=0",
    "postgresql://ann:SECRET@h/d?reads=some",
    "postgresql://ann:SECRET@h/d?sslmode=maybe",
    "postgresql://ann:SECRET@h/d?sslrootcert=",
    "postgresql://ann:SECRET@h/d?schema=a.b",
    "postgresql://ann:SECRET@h/d?schema=pg_x",
    "postgresql://ann:SECRET@h/d?unix_socket=/x",
    "postgresql+asyncpg://ann:SECRET@h/d",
    "postgresql://ann:SECRET%00@h/d",
    "postgresql://ann%00:SECRET@h/d",
    "postgresql://ann:SECRET@h/d%00x",
    "postgresql://ann:SECRET@h/d?sslrootcert=/x%00&sslmode=verify-full",
    "postgresql://ann:SECRET@h%0A/d",
    "postgresql://ann:SECRET@a..b/d",
    f"mysql://ann:SECRET@{'x' * 64}/d",
    "mysql://ann:SECRET@h/d?schema=x",
    "mysql:ann:SECRET@h/d",
    "mysql:/ann:SECRET@h/d",
]


@pytest.mark.parametrize("url", WRONG)
def test_a_wrong_address_is_refused_without_showing_its_password(url):
    with pytest.raises(CatalogUrlError) as refused:
        read(url)
    assert "SECRET" not in "".join(traceback.format_exception(refused.value))


@pytest.mark.parametrize(
    "url",
    [
        "postgresq://ann:SECRET@h/d",
        "postgresql://ann:SECRET@h/d\0",
        "ann:SECRET@h/d",
        "//ann:SECRET@h/d",
        b"mysql://a:SECRET@h/d",
    ],
)
def test_an_address_that_no_backend_takes_is_refused_without_showing_its_password(url):
    with pytest.raises(MetastoreError) as refused:
        open_backend(url, mode="rw", durability="full", timeout=1.0)
    assert "SECRET" not in "".join(traceback.format_exception(refused.value))


def test_a_misspelt_option_is_offered_its_nearest():
    with pytest.raises(CatalogUrlError, match="did you mean 'pool_size'"):
        read("mysql://h/d?poolsize=3")


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=20))
def test_any_password_that_is_quoted_arrives(password):
    found = read(f"postgresql://a:{quote(password, safe='')}@h/d")
    assert found.password == password


@given(st.text(max_size=40))
def test_no_text_breaks_the_reading(text):
    for url in (f"postgresql://{text}", f"mysql://h/d?{text}"):
        with contextlib.suppress(CatalogUrlError):
            assert read(url).database
