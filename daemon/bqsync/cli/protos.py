"""`bqsync protos`: compile the .proto files into the descriptor set that is loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from bqsync.cli.options import common_options, json_option
from bqsync.cli.output import print_json, say
from bqsync.errors import BqsyncError, ErrorKind, ExitCode

if TYPE_CHECKING:
    from bqsync.config import Config


@click.command()
@click.option("--check", "only_check", is_flag=True, help="Write nothing; exit 1 if the descriptor set is out of date.")
@json_option
@common_options
def protos(*, only_check: bool, as_json: bool, config: Config) -> int:
    """Compile the .proto files of the configuration. Plain `protoc` works on the same files."""
    from bqsync.encode.compiler import protos_command

    if not config.protos.files or config.protos.descriptor_set is None:
        raise BqsyncError(
            ErrorKind.PROTO_INVALID, what=f"{config.path} names no .proto files to compile",
            why="`protos.files` and `protos.descriptor_set` are both needed",
            fix='set them: [protos] files = ["protos/db_schemas.proto"], descriptor_set = "protos/db_schemas.binpb"',
        )
    result = protos_command(config.protos.files, config.protos.descriptor_set, check=only_check)
    if as_json:
        print_json(result.as_dict())
    else:
        word = "is up to date" if result.fresh else "was written" if result.written else "is OUT OF DATE: bqsync protos"
        say(f"{result.descriptor_set} {word}")
    return ExitCode.FAILED if only_check and not result.fresh else ExitCode.OK
