"""Whether requests and answers are as GitHub's own description says, by openapi-core.

`openapi/ORIGIN.json` says where the description is from.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from openapi_core import OpenAPI
from openapi_core.datatypes import RequestParameters
from openapi_core.exceptions import OpenAPIError
from werkzeug.datastructures import Headers, ImmutableMultiDict

DESCRIPTION: Final = Path(__file__).with_name("openapi") / "github.json"


@dataclass
class Asked:
    """A request, as openapi-core wants it. `content_type` is without its parameters."""

    host_url: str
    path: str
    method: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes | None
    content_type: str
    parameters: RequestParameters = field(init=False)

    def __post_init__(self) -> None:
        self.method = self.method.lower()
        self.parameters = RequestParameters(
            query=ImmutableMultiDict(list(self.query.items())), header=Headers(list(self.headers.items()))
        )


@dataclass
class Answered:
    """An answer, as openapi-core wants it."""

    status_code: int
    content_type: str
    headers: Mapping[str, str]
    data: bytes | None


class Contract:
    """GitHub's description, with the fake's addresses for its hosts.

    Args:
        api_url: where the API is.
        uploads_url: where assets are uploaded to.
    """

    def __init__(self, api_url: str, uploads_url: str) -> None:
        self._api_url = api_url
        self._uploads_url = uploads_url

    @cached_property
    def _description(self) -> OpenAPI:
        document: dict[str, Any] = json.loads(DESCRIPTION.read_text(encoding="utf-8"))
        document["servers"] = [{"url": self._api_url}]
        for operations in document["paths"].values():
            for operation in operations.values():
                if "servers" in operation:
                    operation["servers"] = [{"url": self._uploads_url}]
        return OpenAPI.from_dict(document)

    def problem(self, asked: Asked, answered: Answered) -> str | None:
        """What of a request that was accepted, or of any answer, is not as described; None when all is well."""
        where = f"{asked.method.upper()} {asked.path} -> {answered.status_code}"
        try:
            if answered.status_code < 400:
                self._description.validate_request(asked)
            self._description.validate_response(asked, answered)
        except OpenAPIError as error:
            causes = "; ".join(str(each.message) for each in getattr(error.__cause__, "schema_errors", ()))
            return f"{where}: {error}{f': {causes}' if causes else ''}"
        return None
