"""Add components to an OpenAPI document, whatever its version."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

JSONObject = dict[str, Any]

_PLACES_IN_SWAGGER = {"securitySchemes": "securityDefinitions", "schemas": "definitions"}


class Document:
    """Hold a copy of an OpenAPI document, of which only the parts that change are new.

    Libraries share objects between operations, so an object of theirs must never be changed.

    :param source: OpenAPI 3.0, 3.1 or 3.2, or Swagger 2.0
    """

    def __init__(self, source: Mapping[str, Any]) -> None:
        self.root: JSONObject = dict(source)
        self.is_swagger = "swagger" in source
        self.is_json_schema = str(source.get("openapi", "")).startswith(("3.1", "3.2"))
        """Whether it is 3.1 or later: schemas are those of JSON Schema, and the requirement of any
        security scheme may list scopes."""
        self._added: dict[tuple[str, str], str] = {}

    def add(self, section: str, name: str, value: JSONObject) -> str:
        """Add a component, and return its name.

        The name is another one if the author has used this one for something else.
        """
        if (section, name) not in self._added:
            components = self._copy_section(section)
            unique = name
            number = 1
            while unique in components and components[unique] != value:
                number += 1
                unique = f"{name}{number}"
            components[unique] = value
            self._added[section, name] = unique
        return self._added[section, name]

    def reference(self, section: str, name: str, value: JSONObject) -> JSONObject:
        """Add a component, and return the reference to it."""
        place = _PLACES_IN_SWAGGER.get(section, section)
        folder = place if self.is_swagger else f"components/{section}"
        return {"$ref": f"#/{folder}/{self.add(section, name, value)}"}

    def schemes(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Yield the security schemes that the document has, with their names."""
        owner = self.root if self.is_swagger else as_object(self.root.get("components"))
        place = "securityDefinitions" if self.is_swagger else "securitySchemes"
        for name, scheme in as_object(owner.get(place)).items():
            if isinstance(scheme, Mapping):
                yield name, scheme

    def response(
        self,
        description: str,
        schema: JSONObject | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> JSONObject:
        """Return a response object.

        :param headers: the description of each header
        """
        response: JSONObject = {"description": description}
        if headers:
            response["headers"] = {
                name: {"description": text, **self.typed("string")}
                for name, text in headers.items()
            }
        if schema is not None:
            content = {"schema": schema}
            response.update(
                content if self.is_swagger else {"content": {"application/json": content}}
            )
        return response

    def typed(self, name: str, **more: Any) -> JSONObject:
        """Return the members of a parameter or a header that state its type."""
        schema = {"type": name, **more}
        return schema if self.is_swagger else {"schema": schema}

    def nullable_string(self) -> JSONObject:
        """Return the schema of a string or null, as far as this version can state it."""
        if self.is_json_schema:
            return {"type": ["string", "null"]}
        return {"type": "string", "x-nullable" if self.is_swagger else "nullable": True}

    def _copy_section(self, section: str) -> JSONObject:
        if self.is_swagger:
            owner, place = self.root, _PLACES_IN_SWAGGER.get(section, section)
        else:
            owner, place = dict(as_object(self.root.get("components"))), section
            self.root["components"] = owner
        copy = owner[place] = dict(as_object(owner.get(place)))
        return copy


OBJECT_TYPES = (dict, Mapping)
"""The types of a JSON object. The first spares most values the test of an abstract class, which
takes long, and there are several for each operation."""


def as_object(value: object) -> Mapping[str, Any]:
    """Return *value* if it is a JSON object, and otherwise an empty one."""
    return value if isinstance(value, OBJECT_TYPES) else {}
