from pathlib import Path

import pytest
from pydantic import SecretStr

from dashboard.errors import ConfigurationError
from dashboard.settings import (
    AdminSettings,
    AnonSettings,
    DeploySettings,
    KestraSettings,
    LogSettings,
    MetricsSettings,
    MigrateSettings,
    SeedSettings,
    ServiceSettings,
    Settings,
    WebSettings,
    WorkerSettings,
)

ALL = (
    AdminSettings,
    AnonSettings,
    KestraSettings,
    WebSettings,
    ServiceSettings,
    WorkerSettings,
    DeploySettings,
    SeedSettings,
    MigrateSettings,
    LogSettings,
    MetricsSettings,
)


def keys_of(kind: type[Settings]) -> set[str]:
    return {
        (field.validation_alias if isinstance(field.validation_alias, str) else name).upper()
        for name, field in kind.model_fields.items()
    }


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for key in set().union(*map(keys_of, ALL)):
        monkeypatch.delenv(key, raising=False)
    monkeypatch.delenv("INCIDENTSCRIBE_ENV_FILE")
    monkeypatch.chdir(tmp_path)


def test_missing_settings_are_all_named() -> None:
    with pytest.raises(ConfigurationError) as raised:
        WebSettings.load()
    assert raised.value.keys == ("KESTRA_PASSWORD", "SUPABASE_ANON_KEY")
    assert "are not set" in str(raised.value)


def test_the_name_in_the_environment_is_told_not_the_fields(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match="INCIDENTSCRIBE_DATABASE_URL is not set"):
        MigrateSettings.load()
    monkeypatch.setenv("KESTRA_PASSWORD", "x")
    monkeypatch.setenv("SUPABASE_ANON_KEY", "x")
    monkeypatch.setenv("INCIDENTSCRIBE_PORT", "eighty")
    with pytest.raises(ConfigurationError, match="INCIDENTSCRIBE_PORT"):
        WebSettings.load()


def test_a_wrong_value_is_never_repeated() -> None:
    with pytest.raises(ConfigurationError) as raised:
        KestraSettings.load(kestra_url="hunter2", kestra_password="x")
    assert "KESTRA_URL must be an address" in str(raised.value)
    assert "hunter2" not in str(raised.value)
    assert raised.value.__cause__ is None


def test_the_file_is_read_and_the_environment_wins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(
        "KESTRA_PASSWORD=file\nKESTRA_URL=http://file:1/\nKESTRA_UI_URL=\nOTHER=1\n"
    )
    monkeypatch.setenv("KESTRA_PASSWORD", "environment")
    settings = KestraSettings.load()
    assert settings.kestra_password.get_secret_value() == "environment"
    assert settings.kestra_url == "http://file:1"


def test_another_file_is_read_or_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("KESTRA_PASSWORD=file\n")
    (tmp_path / "other").write_text("KESTRA_PASSWORD=other\n")
    monkeypatch.setenv("INCIDENTSCRIBE_ENV_FILE", "other")
    assert KestraSettings.load().kestra_password.get_secret_value() == "other"
    monkeypatch.setenv("INCIDENTSCRIBE_ENV_FILE", "")
    with pytest.raises(ConfigurationError, match="KESTRA_PASSWORD is not set"):
        KestraSettings.load()


@pytest.mark.parametrize("in_file", [True, False])
def test_with_an_api_token_kestra_needs_no_password(
    in_file: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if in_file:
        (tmp_path / ".env").write_text("KESTRA_API_TOKEN=tok-1\nKESTRA_TENANT=acme\n")
    else:
        monkeypatch.setenv("KESTRA_API_TOKEN", "tok-1")
        monkeypatch.setenv("KESTRA_TENANT", "acme")
    settings = KestraSettings.load()
    assert settings.kestra_tenant == "acme"
    assert settings.kestra_api_token is not None
    assert settings.kestra_api_token.get_secret_value() == "tok-1"
    # An empty one is none.
    monkeypatch.setenv("INCIDENTSCRIBE_ENV_FILE", "")
    monkeypatch.setenv("KESTRA_API_TOKEN", "")
    with pytest.raises(ConfigurationError, match="KESTRA_PASSWORD is not set"):
        KestraSettings.load()


@pytest.mark.parametrize("tenant", ["a/b", "../x", "{tenant}", " ", "ä"])
def test_a_tenant_is_an_id(tenant: str) -> None:
    with pytest.raises(ConfigurationError, match="KESTRA_TENANT must be the id of a tenant"):
        KestraSettings.load(kestra_password="x", kestra_tenant=tenant)


def test_hosts_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INCIDENTSCRIBE_ALLOWED_HOSTS", "desk.example, localhost")
    settings = WebSettings.load(kestra_password=SecretStr("x"), supabase_anon_key=SecretStr("x"))
    assert settings.allowed_hosts == ("desk.example", "localhost")


def test_the_web_part_has_no_field_for_the_service_key() -> None:
    assert not any("service" in name for name in WebSettings.model_fields)


def test_secrets_do_not_show() -> None:
    settings = WorkerSettings(
        kestra_password=SecretStr("hunter2"), supabase_service_role_key=SecretStr("hunter3")
    )
    assert "hunter" not in repr(settings)
    assert "hunter" not in str(settings.model_dump())


def test_the_example_names_every_key_and_no_other() -> None:
    text = (Path(__file__).parents[2] / ".env.example").read_text()
    named = {line.partition("=")[0] for line in text.splitlines() if line and not line.startswith("#")}
    assert named == set().union(*map(keys_of, ALL))
