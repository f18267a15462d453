"""Tools: rendered by the base's chat template, calls read from the reply, results sent back; real clients.

What the model writes is scripted (no tiny model calls tools); tokenizer, templates, service and clients are real. The
templates are cut down from those of the families that they are named after.
"""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from huggingface_hub import InferenceClient, set_client_factory
from transformers import AutoTokenizer

from a3t_policy.api.tools import call_form, read_reply, sure_text
from a3t_policy.app import create_app
from tests.support.live_server import live_server
from tests.support.scripted_completions import ScriptedCompletions

from .conftest import policy_settings

HERMES = """{%- if tools %}<|im_start|>system
# Tools
{%- for tool in tools %}
{{ tool | tojson }}
{%- endfor %}
Answer with <tool_call>{"name": ..., "arguments": ...}</tool_call><|im_end|>
{% endif %}
{%- for m in messages %}
{%- if m.role == "tool" %}<|im_start|>user
<tool_response>{{ m.content }}</tool_response><|im_end|>
{% else %}<|im_start|>{{ m.role }}
{{ m.content }}
{%- for c in m.tool_calls or [] %}
<tool_call>{"name": "{{ c.function.name }}", "arguments": {{ c.function.arguments | tojson }}}</tool_call>
{%- endfor %}<|im_end|>
{% endif %}
{%- endfor %}<|im_start|>assistant
"""
MISTRAL = """{%- for m in messages %}
{%- if m.role == "user" %}
{%- if tools and loop.last %}[AVAILABLE_TOOLS]{{ tools | tojson }}[/AVAILABLE_TOOLS]{% endif %}
{{- "" }}[INST]{{ m.content }}[/INST]
{%- elif m.role == "tool" %}[TOOL_RESULTS]{"content": {{ m.content | tojson }},
{{- "" }} "call_id": "{{ m.tool_call_id }}"}[/TOOL_RESULTS]
{%- elif m.tool_calls %}[TOOL_CALLS][
{%- for c in m.tool_calls %}
{%- if c.id | length != 9 %}{{ raise_exception("Tool call IDs should have length 9!") }}{% endif %}
{{- c.function | tojson }}{{ ", " if not loop.last }}
{%- endfor %}]{{ eos_token }}
{%- else %}{{ m.content }}{{ eos_token }}
{%- endif %}
{%- endfor %}"""
LLAMA = """{%- if tools %}Respond in the format {"name": function name, "parameters": dictionary}.
{%- for tool in tools %}
{{ tool | tojson }}
{%- endfor %}
{%- endif %}
{%- for m in messages %}
{%- if m.tool_calls %}
{%- if m.tool_calls | length != 1 %}{{ raise_exception("One call at once!") }}{% endif %}
{"name": "{{ m.tool_calls[0].function.name }}", "parameters": {{ m.tool_calls[0].function.arguments | tojson }}}
{%- elif m.role == "tool" %}<|ipython|>{{ m.content | tojson }}
{%- else %}<|{{ m.role }}|>{{ m.content }}
{%- endif %}
{%- endfor %}<|assistant|>"""
NO_TOOLS = "{%- for m in messages %}<|{{ m.role }}|>{{ m.content }}{%- endfor %}<|assistant|>"
TEMPLATES = {"hermes": HERMES, "mistral": MISTRAL, "llama": LLAMA, "no tools": NO_TOOLS}

LOOK = {"name": "look_at", "arguments": {"what": "shelf 1", "kind": 'ünïcødé "x" ]}'}}
TAKE = {"name": "take", "arguments": {}}
SAID = {
    "hermes": [f"<tool_call>\n{json.dumps(LOOK)}\n</tool_call>", f"<tool_call>{json.dumps(TAKE)}</tool_call>"],
    "mistral": [f"[TOOL_CALLS][{json.dumps(LOOK)}", f", {json.dumps(TAKE)}]"],
    "llama": [json.dumps({"name": LOOK["name"], "parameters": LOOK["arguments"]}), "; " + json.dumps(TAKE)],
}
TOOLS: list[Any] = [
    {
        "type": "function",
        "function": {
            "name": "look_at",
            "description": "Looks.",
            "parameters": {"type": "object", "properties": {"what": {"type": "string"}, "kind": {"type": "string"}}},
        },
    },
    {"type": "function", "function": {"name": "take"}},
]
USER: dict[str, Any] = {"role": "user", "content": "Look at the shelf."}


class Served:
    """A service whose base has a template, and what its model will say."""

    def __init__(self, url: str, token: str, model: ScriptedCompletions) -> None:
        self.openai = openai.OpenAI(base_url=f"{url}/v1", api_key=token, max_retries=0)
        set_client_factory(lambda: httpx2.Client(timeout=60))
        self.hub = InferenceClient(url, token=token)
        self.model = model

    def ask(self, messages: list[Any], **more: Any) -> Any:
        return self.openai.chat.completions.create(model="tgi", messages=messages, tools=TOOLS, **more)

    def accumulated(self, messages: list[Any]) -> Any:
        with self.openai.chat.completions.stream(model="tgi", messages=messages, tools=TOOLS) as stream:
            stream.until_done()
            return stream.current_completion_snapshot


@pytest.fixture(scope="module")
def served(tiny_model: Path, token: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Served]]:
    """One service a template, behind each a scripted server."""
    model, found = ScriptedCompletions(), {}
    with live_server(model.app()) as upstream:
        stack = []
        for name, template in TEMPLATES.items():
            home = tmp_path_factory.mktemp("tools")
            base = shutil.copytree(tiny_model, home / "base")
            tokenizer = AutoTokenizer.from_pretrained(base)
            tokenizer.chat_template = template
            tokenizer.save_pretrained(base)
            settings = policy_settings(
                base, home, policy_backend="openai", policy_upstreams=upstream, policy_upstream_token_ids=False
            )
            server = live_server(create_app(settings))
            found[name] = Served(server.__enter__(), token, model)
            stack.append(server)
        yield found
        for server in stack:
            server.__exit__(None, None, None)


def say(served: Served, text: str, finish_reason: str = "stop") -> None:
    served.model.text, served.model.finish_reason = text, finish_reason


def calls_of(message: Any) -> list[dict[str, Any]]:
    return [
        {"name": call.function.name, "arguments": json.loads(call.function.arguments)} for call in message.tool_calls
    ]


@pytest.mark.parametrize("family", SAID)
@pytest.mark.parametrize("streaming", [False, True])
def test_a_call_is_made_and_its_result_sent_back(served: dict[str, Served], family: str, streaming: bool) -> None:
    service = served[family]
    say(service, SAID[family][0] + ("]" if family == "mistral" else ""))
    done = service.accumulated([USER]) if streaming else service.ask([USER])
    assert "look_at" in service.model.prompts[-1]
    message = done.choices[0].message
    assert done.choices[0].finish_reason == "tool_calls"
    assert (message.content or None, calls_of(message)) == (None, [LOOK])
    result = {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "You see a mug."}
    for form in (message, message.model_dump(), message.model_dump(exclude_unset=True)):
        say(service, "There is a mug.")
        after = service.accumulated([USER, form, result]) if streaming else service.ask([USER, form, result])
        assert (after.choices[0].message.content, after.choices[0].finish_reason) == ("There is a mug.", "stop")
        assert not after.choices[0].message.tool_calls
        assert "You see a mug." in service.model.prompts[-1]
        assert "shelf 1" in service.model.prompts[-1]


@pytest.mark.parametrize("family", SAID)
def test_huggingface_hubs_client_calls_too(served: dict[str, Served], family: str) -> None:
    service = served[family]
    say(service, SAID[family][0] + ("]" if family == "mistral" else ""))
    message = service.hub.chat_completion([USER], tools=TOOLS, tool_choice="auto").choices[0].message
    assert calls_of(message) == [LOOK]
    result = {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "You see a mug."}
    say(service, "There is a mug.")
    assert service.hub.chat_completion([USER, message, result], tools=TOOLS).choices[0].message.content


@pytest.mark.parametrize("family", SAID)
def test_several_calls_and_the_first_alone(served: dict[str, Served], family: str) -> None:
    service = served[family]
    say(service, "".join(SAID[family]))
    assert calls_of(service.ask([USER]).choices[0].message) == [LOOK, TAKE]
    assert calls_of(service.accumulated([USER]).choices[0].message) == [LOOK, TAKE]
    assert calls_of(service.ask([USER], parallel_tool_calls=False).choices[0].message) == [LOOK]


@pytest.mark.parametrize("family", ["hermes", "mistral"])
def test_text_in_front_of_a_call_stays_text(served: dict[str, Served], family: str) -> None:
    service = served[family]
    say(service, "I look [around]. " + SAID[family][0] + ("]" if family == "mistral" else ""))
    for done in (service.ask([USER]), service.accumulated([USER])):
        assert done.choices[0].message.content == "I look [around]."
        assert calls_of(done.choices[0].message) == [LOOK]


@pytest.mark.parametrize("family", SAID)
@pytest.mark.parametrize(
    "text",
    [
        "There is no call here: {[<tool",
        '<tool_call>{"name": "fly", "arguments": {}}</tool_call>',
        '[TOOL_CALLS][{"name": "fly", "arguments": {}}]',
        '{"name": "fly", "parameters": {}}',
        '<tool_call>{"name": "take", "arguments": {',
        '[{"name": "take", "arguments": {',
        '{"name": "take", "parameters": {',
        '{"name": "take", "parameters": [1]}',
        "",
        " [ {  ",
    ],
)
def test_what_is_no_whole_call_of_a_tool_stays_text(served: dict[str, Served], family: str, text: str) -> None:
    service = served[family]
    for reason in ("length", "stop"):
        say(service, text, reason)
        for done in (service.ask([USER]), service.accumulated([USER])):
            assert (done.choices[0].message.content or "") == text
            assert not done.choices[0].message.tool_calls
            assert done.choices[0].finish_reason == reason


def test_without_tools_in_play_nothing_is_read(served: dict[str, Served]) -> None:
    service = served["hermes"]
    say(service, SAID["hermes"][0])
    off = service.ask([USER], tool_choice="none").choices[0]
    assert (off.message.content, off.message.tool_calls) == (SAID["hermes"][0], None)
    assert "look_at" not in service.model.prompts[-1]


def test_a_template_that_knows_no_tools_says_so(served: dict[str, Served], policy: str, token: str) -> None:
    plain = openai.OpenAI(base_url=f"{policy}/v1", api_key=token, max_retries=0)
    call = {"id": "abcdefghi", "type": "function", "function": {"name": "take", "arguments": "{}"}}
    called = [USER, {"role": "assistant", "content": None, "tool_calls": [call]}, {"role": "tool", "content": "Done."}]
    for client, why in (
        (served["no tools"].openai, "chat template does not support tool"),
        (plain, "has no chat template"),
    ):
        with pytest.raises(openai.UnprocessableEntityError, match=f"{why}.*Leave tools out"):
            client.chat.completions.create(model="tgi", messages=[USER], tools=TOOLS)
        with pytest.raises(openai.UnprocessableEntityError, match=f"{why}.*calls and results as the content"):
            client.chat.completions.create(model="tgi", messages=called)  # type: ignore[arg-type]


def test_a_form_of_calls_that_is_not_read_is_not_claimed() -> None:
    for template in ("<tool_call>\n<function=name>", "[TOOL_CALLS]name[ARGS]{}", "<|channel|>", ""):
        assert call_form(template) is None


@pytest.mark.parametrize(
    "tool", [{"type": "custom", "custom": {"name": "x"}}, {"function": {"name": "x", "strict": True}}]
)
def test_tools_that_need_constrained_decoding_are_refused(served: dict[str, Served], tool: Any) -> None:
    with pytest.raises(openai.UnprocessableEntityError, match=r"custom|strict"):
        served["hermes"].openai.chat.completions.create(model="tgi", messages=[USER], tools=[tool])


@pytest.mark.parametrize("family", SAID)
@pytest.mark.parametrize("tail", ["", "]", "<", ' [ {"na', "; "])
def test_what_a_stream_has_sent_is_the_beginning_of_the_reply(family: str, tail: str) -> None:
    form = call_form(TEMPLATES[family])
    assert form is not None
    for text in ("".join(SAID[family]) + tail, "I look. " + "".join(SAID[family]) + tail, "a [ b { c <tool d" + tail):
        sent = [sure_text(form, text[:n]) for n in range(len(text) + 1)]
        whole = read_reply(form, text, ["look_at", "take"], several=True)
        assert all(later.startswith(earlier) for earlier, later in itertools.pairwise(sent))
        assert whole.text.startswith(sent[-1])
