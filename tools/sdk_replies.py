"""The fields of the replies of mutations, as properties of the results that the SDK returns."""

from collections.abc import Iterator

from google.protobuf.descriptor_pb2 import FieldDescriptorProto

from tools.sdk_method import MUTATION_OPTIONS, MUTATION_REPLY, SCALARS, Contract

_CONTAINERS = "google.protobuf.internal.containers"


class ReplyFields:
    """The fields of all replies of mutations, each with its type and what the comments of the contract say about it.

    Raises ValueError if a field has different types in different replies.
    """

    def __init__(self, contract: Contract) -> None:
        self.imports = {("typing", name) for name in ("Generic", "Protocol", "TypeVar")}
        self._contract = contract
        self._types: dict[str, str] = {}
        self._texts: dict[str, list[str]] = {}
        for _, rpc in contract.rpcs():
            if {one.name for one in contract.messages[rpc.input_type].field} >= MUTATION_OPTIONS:
                for one in contract.messages[rpc.output_type].field:
                    self._add(rpc.output_type, one)

    def _add(self, reply: str, one: FieldDescriptorProto) -> None:
        kind = self._type(one)
        if self._types.setdefault(one.name, kind) != kind:
            raise ValueError(f"field {one.name} of {reply} has another type in other replies of mutations")
        text = " ".join(self._contract.comments[f"{reply}.{one.name}"].split())
        texts = self._texts.setdefault(one.name, [])
        if text not in texts:
            texts.append(text)

    def _type(self, one: FieldDescriptorProto) -> str:
        if one.type in SCALARS:
            return SCALARS[one.type][0]
        name = self._contract.python_name(one.type_name)
        self.imports.add((self._contract.homes[one.type_name], name.split(".")[0]))
        if one.label != FieldDescriptorProto.LABEL_REPEATED:
            return name
        self.imports.add((_CONTAINERS, "RepeatedCompositeFieldContainer"))
        return f"RepeatedCompositeFieldContainer[{name}]"

    def source(self) -> str:
        """The protocols of the replies, and the class with the properties."""
        return "\n\n\n".join(
            [*self._protocols(), 'Reply_co = TypeVar("Reply_co", bound=MutationReply, covariant=True)', self._class()]
        )

    def _protocols(self) -> Iterator[str]:
        common = "\n".join(_stub(name, self._types[name]) for name in self._types if name in MUTATION_REPLY)
        docstring = '"""The fields that the replies of all mutations have."""'
        yield f"class MutationReply(Protocol):\n    {docstring}\n\n{common}"
        for name, kind in self._types.items():
            if name not in MUTATION_REPLY:
                yield f"class {_protocol(name)}(MutationReply, Protocol):\n{_stub(name, kind)}"

    def _class(self) -> str:
        lines = [
            "class ReplyFields(Generic[Reply_co]):",
            '    """The fields of a reply, as properties."""',
            "",
            "    _reply: Reply_co",
        ]
        for name, kind in self._types.items():
            self_type = "" if name in MUTATION_REPLY else f': "ReplyFields[{_protocol(name)}]"'
            first, *more = self._texts[name]
            text = (
                [f'        """{first}"""']
                if not more
                else [f'        """{first}', "", *(f"        {line}" for line in more), '        """']
            )
            lines += [
                "",
                "    @property",
                f"    def {name}(self{self_type}) -> {kind}:",
                *text,
                f"        return self._reply.{name}",
            ]
        return "\n".join(lines)


def _protocol(name: str) -> str:
    return f"_{''.join(part.capitalize() for part in name.split('_'))}Reply"


def _stub(name: str, kind: str) -> str:
    return f"    @property\n    def {name}(self) -> {kind}: ..."
