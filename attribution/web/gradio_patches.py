"""What is changed in Gradio itself, because nothing that it offers closes the hole. Checked against the versions in CHECKED; a test fails
with any other one, until somebody has looked again.

`fetch_nothing`: Gradio downloads whatever address a visitor gives as that of a file, to every component, also to those that take none, and
before any function of ours is called. It is no longer needed once Gradio has a setting that forbids it: without this change
`test_programs_stand_in_the_queue_of_the_page_and_no_part_of_it_downloads` would then pass.

`keep_apart`: Gradio puts an upload under the hash of its content, so that whoever sends the same bytes at the same moment shares one file
with a stranger, and loses it when the stranger's is deleted. It is no longer needed once Gradio gives every upload a place of its own:
`test_two_programs_that_send_the_same_bytes_at_once_have_a_file_each` would then pass without.

`answer_in_json`: Gradio's MCP server writes an object as Python shows it. It is no longer needed once `test_an_mcp_client_gets_the_same`
passes without.
"""

import json
import secrets
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.blocks import Block
from gradio.route_utils import GradioUploadFile

CHECKED = ("6.31.0",)

# What Gradio takes for an address that it should fetch.
_ADDRESSES = ("http://", "https://")
_to_the_cache = Block.async_move_resource_to_block_cache
_begin_upload = GradioUploadFile.__init__


def fetch_nothing() -> None:
    """Let no component of any page download from an address: it stays an address. Harmless when called twice."""
    Block.async_move_resource_to_block_cache = _stays_an_address


async def _stays_an_address(self: Block, url_or_file_path: str | Path | None) -> str | None:
    given = str(url_or_file_path)
    return given if given.startswith(_ADDRESSES) else await _to_the_cache(self, url_or_file_path)


def keep_apart() -> None:
    """Put every upload into a folder of its own that nobody can guess. Harmless when called twice."""
    GradioUploadFile.__init__ = _begin_apart


def _begin_apart(self: GradioUploadFile, *given: Any, **settings: Any) -> None:
    _begin_upload(self, *given, **settings)
    # The folder is called after this digest, to which the content is added.
    self.sha.update(secrets.token_bytes(32))


def answer_in_json(page: gr.Blocks) -> None:
    """Let MCP answers be JSON. For a page that was launched."""
    server = page.mcp_server_obj
    if server is None:
        return
    plain = server.postprocess_output_data

    def in_json(data: Any, root_url: str) -> Any:
        return plain([json.dumps(one, ensure_ascii=False) if isinstance(one, dict | list) else one for one in data], root_url)

    server.postprocess_output_data = in_json
