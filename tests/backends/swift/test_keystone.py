"""Keystone, a real one from wheels, and a Swift that believes it."""

import pytest
from servers.keystone import Keystone, KeystoneMissingError
from servers.swift import Swift

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
    import urllib.request

    urllib.request.urlopen(
        urllib.request.Request(f"{keystone.url}/auth/tokens", headers=revoke, method="DELETE")
    ).close()
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
