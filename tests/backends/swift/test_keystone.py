"""Keystone, a real one from wheels, and a Swift that believes it."""

import urllib.request

import pytest
import yaml
from servers.keystone import Keystone, KeystoneMissingError
from servers.swift import Swift

from metastore.errors import StoreDeniedError
from metastore.stores import Store, Stores
from metastore_swift import SwiftFileSystem


@pytest.fixture(scope="module")
def keystone():
    try:
        keystone = Keystone()
    except KeystoneMissingError as missing:
        pytest.skip(str(missing))
    yield keystone
    keystone.close()


@pytest.fixture(scope="module")
def swift(keystone):
    swift = Swift(identity=keystone.url, service_password=keystone.password)
    keystone.lists(swift)
    yield swift
    swift.close()


@pytest.fixture(scope="module")
def opened(keystone, swift):
    def made(**options):
        told = {"auth_url": keystone.url, "username": "admin", "password": keystone.password, "project_name": "admin"}
        return SwiftFileSystem(skip_instance_cache=True, **{**told, **options})

    return made


def test_a_password_opens_the_account_of_a_project(opened):
    fs = opened()
    fs.mkdir("by-password")
    fs.pipe("by-password/x", b"here")
    assert fs.cat("by-password/x") == b"here"


def test_the_address_may_leave_out_the_version(opened, keystone):
    assert opened(auth_url=keystone.url.removesuffix("/v3")).exists("")


def test_an_application_credential_opens_it_too(opened, keystone):
    body = {"application_credential": {"name": "app"}}
    made = keystone.ask("POST", "/users/{user}/application_credentials", body)["application_credential"]
    fs = SwiftFileSystem(
        auth_url=keystone.url, application_credential_id=made["id"], application_credential_secret=made["secret"]
    )
    assert isinstance(fs.ls(""), list)


def test_a_token_that_was_revoked_is_renewed(opened, keystone):
    fs = opened()
    fs.ls("")
    old = fs.objects.account.access
    revoke = {"X-Auth-Token": old.token.reveal(), "X-Subject-Token": old.token.reveal()}
    asked = urllib.request.Request(f"{keystone.url}/auth/tokens", headers=revoke, method="DELETE")
    urllib.request.urlopen(asked).close()
    assert isinstance(fs.ls(""), list)
    assert fs.objects.account.access.token != old.token


def test_wrong_credentials_are_refused_without_being_told(opened):
    with pytest.raises(PermissionError, match="Keystone refuses") as caught:
        opened(password="sesame").ls("")
    assert "sesame" not in str(caught.value)


@pytest.mark.parametrize("options", [{"region_name": "elsewhere"}, {"interface": "internal"}])
def test_what_the_catalogue_does_not_list_is_an_error(opened, options):
    with pytest.raises(FileNotFoundError, match="no object-store"):
        opened(**options).ls("")


@pytest.fixture
def cloud(keystone, tmp_path, monkeypatch):
    """A function that writes a clouds.yaml, and returns a store of the cloud in it."""

    def told(**auth):
        known = {"auth_url": keystone.url, "username": "admin", "password": keystone.password, "project_name": "admin"}
        domains = {"user_domain_name": "Default", "project_domain_name": "Default"}
        path = tmp_path / "clouds.yaml"
        path.write_text(yaml.safe_dump({"clouds": {"edge": {"region_name": "here", "auth": known | domains | auth}}}))
        monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(path))
        return Stores([Store("images", "swift://by-cloud/all", options={"cloud": "edge"})])

    return told


def test_a_store_takes_the_cloud_that_openstack_s_own_tools_take(opened, cloud):
    opened().mkdir("by-cloud")
    drive, key, _ = cloud().reach("swift://by-cloud/all/a")
    drive.create(key, [b"here"])
    assert (b"".join(drive.read(key)), opened().cat("by-cloud/all/a")) == (b"here", b"here")


def test_a_store_that_keystone_refuses_says_so_and_nothing_of_the_password(cloud):
    with pytest.raises(StoreDeniedError, match="the store images") as caught:
        cloud(password="sesame").drive("images").stat("a")
    assert "sesame" not in str(caught.value)
