"""What a sandbox's programs see of the person's own settings: nothing, wherever these are written."""

import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.supervisor.keys import Keys
from sandbox.supervisor.plan import Sandbox
from sandbox.supervisor.ports import Ports

# What would let a demo reach real people and real systems.
REAL = {
    "INCIDENTSCRIBE_SLACK_WEBHOOK_URL": "https://hooks.slack.example/real",
    "INCIDENTSCRIBE_TEAMS_WEBHOOK_URL": "https://teams.example/real",
    "INCIDENTSCRIBE_SMTP_URL": "smtp://mail.example:25",
    "KESTRA_UI_URL": "https://kestra.example",
    "INCIDENTSCRIBE_FLOW_SUPABASE_URL": "https://real.supabase.co",
    "GEMINI_MODEL": "a-real-model",
}
SHOW = """
from dashboard.settings import DeploySettings, SeedSettings, WebSettings, WorkerSettings
for kind in (WebSettings, WorkerSettings, DeploySettings, SeedSettings):
    for value in kind.load().model_dump().values():
        print(getattr(value, "get_secret_value", lambda: value)())
"""


def test_they_get_no_setting_from_the_environment_nor_from_a_file_beside_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("".join(f"{name}={value}\n" for name, value in REAL.items()))
    for name, value in REAL.items():
        monkeypatch.setenv(name, value)
    sandbox = Sandbox(tmp_path, Ports(), Keys())
    for program in (sandbox.desk().program, sandbox.deploy(), sandbox.seed(), sandbox.migrate()):
        shown = subprocess.run(
            [sys.executable, "-c", SHOW],
            cwd=tmp_path,
            env=dict(program.environment),
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        assert sandbox.url(Ports().kestra) in shown
        assert not [value for value in REAL.values() if value in shown]
