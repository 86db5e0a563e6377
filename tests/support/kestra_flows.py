"""Small flows for tests of the sandbox's Kestra; each has the webhook key `the-key`."""

_HEAD = """\
id: {id}
namespace: tests.kestra
triggers:
  - id: webhook
    type: io.kestra.plugin.core.trigger.Webhook
    key: the-key
"""

# Starts, pauses for a decision, ends.
APPROVAL = """\
id: approval
namespace: tests.kestra
inputs:
  - id: payload
    type: JSON
triggers:
  - id: webhook
    type: io.kestra.plugin.core.trigger.Webhook
    key: the-key
    inputs:
      payload: "{{ trigger.body }}"
tasks:
  - id: hello
    type: io.kestra.plugin.core.log.Log
    message: "hello {{ inputs.payload.name }}"
  - id: decide
    type: io.kestra.plugin.core.flow.Pause
    onResume:
      - id: decision
        type: SELECT
        values: [approve, reject]
      - id: reason
        type: STRING
        required: false
  - id: said
    type: io.kestra.plugin.core.debug.Return
    format: "{{ outputs.decide.onResume.decision }}: {{ outputs.decide.onResume.reason ?? 'no reason' }}"
outputs:
  - id: said
    type: STRING
    value: "{{ outputs.said.value }}"
"""


def plain(flow_id: str, more: str = "") -> str:
    """A flow of one log line; `more` are lines of its trigger or, not indented, of the flow."""
    tasks = "tasks:\n  - id: say\n    type: io.kestra.plugin.core.log.Log\n    message: said\n"
    return _HEAD.format(id=flow_id) + more + tasks


def script(flow_id: str, source: str) -> str:
    """A flow of one Python script."""
    lines = "".join(f"      {line}\n" for line in source.splitlines())
    return _HEAD.format(id=flow_id) + (
        "tasks:\n  - id: script\n    type: io.kestra.plugin.scripts.python.Script\n"
        "    taskRunner:\n      type: io.kestra.plugin.core.runner.Process\n"
        f"    script: |\n{lines}"
    )
