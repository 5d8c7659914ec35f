"""Requests that nobody means well: bytes for every method of the server's contracts, made from the .proto files themselves.

An input is (kind, method path, request bytes). All of it is drawn from one seed.
"""
import math
import pathlib
import random
import struct
import subprocess
import tempfile
import zlib

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import FieldDescriptor

SERVICES = ("retrieval", "collections", "inference", "training")
BAD_UTF8 = (b"\xc3\x28\xa0\xa1", b"\xff\xfe\xfd\xfc", b"\xed\xa0\x80\xed", b"\xf0\x28\x8c\x28", b"\xc0\xaf\xe0\x80")
MARK = "\x02\x03\x04\x05"  # as long as those


class Contracts:
    """The messages and methods of proto/fluke/v1."""

    def __init__(self, proto_folder):
        with tempfile.NamedTemporaryFile() as out:
            subprocess.run(["protoc", f"-I{proto_folder}", f"--descriptor_set_out={out.name}", "--include_imports",
                            *(f"fluke/v1/{name}.proto" for name in SERVICES)], check=True, cwd=proto_folder)
            files = descriptor_pb2.FileDescriptorSet.FromString(pathlib.Path(out.name).read_bytes())
        pool = descriptor_pool.DescriptorPool()
        for file in files.file:
            pool.Add(file)
        self.methods = []  # (path, request class, response class, streams requests, streams answers)
        for name in SERVICES:
            for service in pool.FindFileByName(f"fluke/v1/{name}.proto").services_by_name.values():
                for method in service.methods:
                    make = message_factory.GetMessageClass
                    self.methods.append((f"/{service.full_name}/{method.name}", make(method.input_type), make(method.output_type),
                                         method.client_streaming, method.server_streaming))

    def of(self, name):
        """Path and classes of "Retrieval/Search"."""
        return next(m for m in self.methods if m[0] == "/fluke.v1." + name)


def is_repeated(field):
    return field.is_repeated if hasattr(field, "is_repeated") else field.label == FieldDescriptor.LABEL_REPEATED


def is_map(field):
    return is_repeated(field) and field.message_type is not None and field.message_type.GetOptions().map_entry


class Filler:
    """Fills messages with values that are odd, but of the right type."""

    TEXTS = ("", "a", "../../etc/passwd", "%s%n%x", "x" * 5000, "\x00", "' or 1=1 --", "\u202e\ufeff", "𝕬" * 50, "b0", "nobody", "default",
             "\n\r\t", "${jndi:ldap://x}", "<script>", "a" * 101, "cosine", "l2", "Flat", "HNSW999999999", "IVF1000000000,PQ999", "-1")
    FLOATS = (0.0, -0.0, 1.0, -1.0, math.nan, math.inf, -math.inf, 3.4e38, 1e-45, 1e30, 0.5)

    def __init__(self, draw, dimension, photograph):
        self.draw, self.dimension, self.photograph = draw, dimension, photograph

    def fill(self, message, depth=0):
        seen = set()
        for field in message.DESCRIPTOR.fields:
            one_of = field.containing_oneof
            if one_of is not None and (one_of.name in seen or self.draw.random() < 0.4):
                continue
            if self.draw.random() < 0.35:
                continue
            if one_of is not None:
                seen.add(one_of.name)
            if is_map(field):
                for _ in range(self.draw.randrange(4)):
                    getattr(message, field.name)[self.draw.choice(self.TEXTS)] = self.draw.choice(self.TEXTS)
            elif is_repeated(field):
                self._fill_repeated(message, field, depth)
            elif field.type == FieldDescriptor.TYPE_MESSAGE:
                if depth < 6:
                    getattr(message, field.name).SetInParent()
                    self.fill(getattr(message, field.name), depth + 1)
            else:
                setattr(message, field.name, self._scalar(field))
        return message

    def _fill_repeated(self, message, field, depth):
        values = getattr(message, field.name)
        if field.name == "values" and field.type == FieldDescriptor.TYPE_FLOAT:
            size = self.draw.choice((0, 1, self.dimension - 1, self.dimension, self.dimension, self.dimension, self.dimension + 1, 70000))
            odd = self.draw.random() < 0.5
            values.extend(self.draw.choice(self.FLOATS) if odd else self.draw.gauss(0, 1) for _ in range(size))
            return
        for _ in range(self.draw.choice((0, 1, 1, 2, 5, 40 if depth == 0 else 2))):
            if field.type == FieldDescriptor.TYPE_MESSAGE:
                if depth < 6:
                    self.fill(values.add(), depth + 1)
            else:
                values.append(self._scalar(field))

    def _scalar(self, field):
        kind = field.cpp_type
        if field.name == "filter":  # Delete must not find everything
            return self.draw.choice(("", "exists(nothing)", 'a = "', "(((", "nothing = 1e999", "nothing in ()", "not", "1 = 1"))
        if field.name == "config_yaml":
            return self.draw.choice(("", "a: [", "&a [*a, *a]", "train: {epochs: 1e99}", "data: {manifest: /etc/passwd}", "- " * 3000, "\t"))
        if kind == FieldDescriptor.CPPTYPE_STRING:
            if field.type == FieldDescriptor.TYPE_BYTES:
                return self.draw.choice((b"", b"\xff" * 100, self.photograph, self.photograph[:200], b"\x89PNG\r\n\x1a\n"))
            return self.draw.choice(self.TEXTS)
        if kind in (FieldDescriptor.CPPTYPE_FLOAT, FieldDescriptor.CPPTYPE_DOUBLE):
            return self.draw.choice(self.FLOATS)
        if kind == FieldDescriptor.CPPTYPE_BOOL:
            return self.draw.random() < 0.5
        if kind == FieldDescriptor.CPPTYPE_ENUM:
            return self.draw.choice((0, 1))
        top = {FieldDescriptor.CPPTYPE_UINT32: 2**32 - 1, FieldDescriptor.CPPTYPE_INT32: 2**31 - 1,
               FieldDescriptor.CPPTYPE_UINT64: 2**64 - 1, FieldDescriptor.CPPTYPE_INT64: 2**63 - 1}[kind]
        return self.draw.choice((0, 1, 2, 20, 1024, 65536, top))


def text_fields(descriptor, depth=0):
    """Ways to every string field below a message: tuples of fields."""
    for field in descriptor.fields:
        if is_map(field) or field.type == FieldDescriptor.TYPE_STRING:
            yield (field,)
        elif field.type == FieldDescriptor.TYPE_MESSAGE and depth < 4:
            for rest in text_fields(field.message_type, depth + 1):
                yield (field, *rest)


def with_text(make, way, text):
    """A message whose only content is `text` at the end of `way`."""
    whole = message = make()
    for field in way[:-1]:
        message = getattr(message, field.name).add() if is_repeated(field) else getattr(message, field.name)
    last = way[-1]
    if is_map(last):
        getattr(message, last.name)["a"] = text
    elif is_repeated(last):
        getattr(message, last.name).append(text)
    else:
        setattr(message, last.name, text)
    return whole


def damaged(draw, whole):
    """Truncated, or with flipped bits."""
    if draw.random() < 0.5 and len(whole) > 1:
        return "truncated", whole[:draw.randrange(1, len(whole))]
    changed = bytearray(whole or b"\x00\x00")
    for _ in range(draw.choice((1, 1, 2, 8))):
        changed[draw.randrange(len(changed))] ^= 1 << draw.randrange(8)
    return "bits flipped", bytes(changed)


def png(width, height, rows=b"", depth=8, colour=0, extra=b""):
    chunk = lambda name, data: struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)) + extra +
            chunk(b"IDAT", rows) + chunk(b"IEND", b""))


def zeros_deflated(count):
    packer = zlib.compressobj(9)
    parts = [packer.compress(bytes(1 << 20)) for _ in range(count >> 20)] + [packer.compress(bytes(count & 0xFFFFF)), packer.flush()]
    return b"".join(parts)


def bad_images(draw, photograph):
    """(kind, bytes) of what claims to be a photograph."""
    bomb = zeros_deflated(50000 * 6251)
    chunk = lambda name, data: struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    yield "decompression bomb", png(50000, 50000, bomb, depth=1)
    yield "decompression bomb", png(7000, 7000, zeros_deflated(7000 * 7001 * 4))  # four times what the header says
    yield "decompression bomb", png(10, 10, zlib.compress(bytes(110)), extra=chunk(b"iCCP", b"p\0\0" + zeros_deflated(200 << 20)))
    yield "decompression bomb", png(10, 10, zlib.compress(bytes(110)), extra=chunk(b"zTXt", b"p\0\0" + zeros_deflated(200 << 20)))
    for width, height in ((50000, 50000), (2**31 - 1, 2**31 - 1), (1, 2**31 - 1), (0, 0), (2**31 - 1, 1), (2**32 - 1, 3), (1000001, 1)):
        for colour in (0, 2, 3, 6, 9):
            yield "huge header", png(width, height, zlib.compress(bytes(100)), 8, colour)
        yield "huge header", b"BM" + struct.pack("<IHHIIiiHHIIiiII", 200, 0, 0, 54, 40, width & 0x7FFFFFFF, -(height & 0x7FFFFFFF), 1, 24, 0, 0, 0, 0, 0, 0) + bytes(100)
        yield "huge header", f"P6 {width} {height} 255\n".encode() + bytes(100)
        yield "huge header", b"II*\x00\x08\x00\x00\x00\x04\x00" + b"".join(
            struct.pack("<HHII", tag, 4, 1, value) for tag, value in ((256, width), (257, height), (278, 1), (273, 8))) + bytes(40)
        yield "huge header", b"RIFF\x40\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x10\x00\x00\x00" + struct.pack("<I", width & 0xFFFFFF)[:3] + struct.pack("<I", height & 0xFFFFFF)[:3] + bytes(40)
        yield "huge header", f"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y {height} +X {width}\n".encode() + bytes(100)
        yield "huge header", b"GIF89a" + struct.pack("<HHBBB", width & 0xFFFF, height & 0xFFFF, 0xF7, 0, 0) + bytes(100)
        yield "huge header", b"\x59\xa6\x6a\x95" + struct.pack(">IIIIIII", width, height, 24, 100, 1, 0, 0) + bytes(100)
        yield "huge header", b"\x00\x00\x00\x0cjP  \r\n\x87\n\x00\x00\x00\x14ftypjp2 \x00\x00\x00\x00jp2 \x00\x00\x00\x2djp2h\x00\x00\x00\x16ihdr" + struct.pack(">II", height, width) + b"\x00\x03\x07\x07\x00\x00" + bytes(60)
    sof = photograph.find(b"\xff\xc0")
    if sof > 0:  # a JPEG
        for size in ((65535, 65535), (0, 65535), (65535, 0), (1, 65535)):
            yield "huge header", photograph[:sof + 5] + struct.pack(">HH", *size) + photograph[sof + 9:]
        loops = b"II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\xff\xff\xff\xff\x63\x00\x00\x00\x08\x00\x00\x00"
        exif = b"Exif\0\0" + loops
        yield "bad EXIF", photograph[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + photograph[2:]
        yield "bad EXIF", photograph[:2] + (b"\xff\xe1\xff\xff" + bytes(65533)) * 100 + photograph[2:]
    for other in (b"PK\x03\x04" + bytes(200), b"\x1f\x8b\x08" + zeros_deflated(100 << 20), b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"%PDF-1.7\n",
                  b"\x00" * 100000, b"\xff\xd8\xff", b"GIF89a", b"RIFF\xff\xff\xff\xffWEBP", b"v/1\x01" + bytes(50), b"", b"\x00\x00\x00\x20ftypavif" + bytes(64),
                  draw.randbytes(100000)):
        yield "no image", other
    for _ in range(60):
        yield "truncated image", photograph[:draw.randrange(1, len(photograph))]
    for _ in range(60):
        kind, data = damaged(draw, photograph)
        yield "image with " + kind if kind != "truncated" else "truncated image", data


def bad_filters():
    deep = 10000
    yield "deep filter", "(" * deep + 'a = "b"' + ")" * deep
    yield "deep filter", "not " * deep + 'a = "b"'
    yield "deep filter", "not (" * deep + 'a = "b"' + ")" * deep
    yield "deep filter", "(" * 500000
    yield "long filter", " or ".join(['a = "b"'] * 100000)
    yield "long filter", " and ".join([f"a{i} >= {i}" for i in range(60000)])
    yield "long filter", "a in (" + ", ".join(f'"v{i}"' for i in range(100000)) + ")"
    yield "long filter", 'a = "' + "x" * (1 << 20) + '"'
    yield "long filter", "x" * (1 << 20)
    yield "long filter", " " * (1 << 20)
    yield "long filter", "1" * (1 << 20)
    for text in ('a = "', "a = '", "a =", "= 1", "a = 1e999999", "a = nan", "a in ()", "a in (1", "exists()", "exists(", "and", "a = 1 and", "\x00", 'a = "\\"',
                 "a ~ b", "a == = 1", "é = 1", 'id = "\ud7ff"', "a = 0x10", "a = -", "a >= ", ") or (", "a = 1; drop", "a" * 70000 + " = 1", "not", "exists(a) exists(b)"):
        yield "bad filter", text


def inputs(contracts, dimension, photograph, seed=0):
    """All of them."""
    draw = random.Random(seed)
    filler = Filler(draw, dimension, photograph)
    for path, request, _, _, _ in contracts.methods:
        for _ in range(14):
            yield "odd values", path, filler.fill(request()).SerializeToString()
        for _ in range(16):
            kind, data = damaged(draw, filler.fill(request()).SerializeToString())
            # Of a Delete a flipped bit may make something that deletes.
            if not (path.endswith("/Delete") and kind != "truncated"):
                yield kind, path, data
        for way in text_fields(request.DESCRIPTOR):
            whole = with_text(request, way, MARK).SerializeToString()
            yield "invalid UTF-8", path, whole.replace(MARK.encode(), draw.choice(BAD_UTF8)[:4])
        yield "random bytes", path, draw.randbytes(1000)
        yield "nested groups", path, b"\x0b" * 5000  # start-group tags, one in the other
        yield "varint without end", path, b"\xff" * 64
        yield "length beyond the end", path, b"\x0a\xff\xff\xff\xff\x07a"
        yield "empty", path, b""
    search, make, *_ = contracts.of("Retrieval/Search")
    for size in (0, 1, dimension - 1, dimension + 1, 2 * dimension, 100000):
        yield "wrong dimension", search, make(vector={"values": [0.1] * size}).SerializeToString()
    for value in (math.nan, math.inf, -math.inf):
        for place in (0, dimension // 2, dimension - 1):
            values = [0.1] * dimension
            values[place] = value
            yield "NaN or infinite vector", search, make(vector={"values": values}).SerializeToString()
            for many, build in (("Upsert", lambda m: m(items=[{"item": {"id": "nan"}, "vector": {"values": values}}])),
                                ("SearchBatch", lambda m: m(searches=[{"vector": {"values": values}}]))):
                name, make_many, *_ = contracts.of("Retrieval/" + many)
                yield "NaN or infinite vector", name, build(make_many).SerializeToString()
    yield "zero vector", search, make(vector={"values": [0.0] * dimension}).SerializeToString()
    for k in (0, 2049, 2**31 - 1, 2**31, 2**32 - 1):
        yield "huge k", search, make(item_id="b0", k=k).SerializeToString()
        yield "huge knobs", search, make(item_id="b0", knobs={"nprobe": k, "ef_search": k}).SerializeToString()
    for kind, data in bad_images(draw, photograph):
        yield kind, search, make(image=data).SerializeToString()
    for value in (math.nan, math.inf, -1, 0, 1e30):
        yield "bad crop", search, make(image=photograph, crop={"x": value, "y": value, "w": value, "h": value}).SerializeToString()
    for kind, text in bad_filters():
        for name in ("Search", "Count", "Scroll", "Facet"):
            path, make_filtered, *_ = contracts.of("Retrieval/" + name)
            more = {"item_id": "b0"} if name == "Search" else {"field": "identity"} if name == "Facet" else {}
            yield kind, path, make_filtered(filter=text, **more).SerializeToString()
    batch, make_batch, *_ = contracts.of("Retrieval/SearchBatch")
    for many in (1025, 100000):
        yield "too many of one call", batch, make_batch(searches=[{"item_id": "b0"}] * many).SerializeToString()
    embed, make_embed, *_ = contracts.of("Retrieval/Embed")
    yield "too many of one call", embed, make_embed(photographs=[{"image": b""}] * 5000).SerializeToString()
    get, make_get, *_ = contracts.of("Retrieval/Get")
    yield "too many of one call", get, make_get(ids=["b0"] * 200000).SerializeToString()
    for path in ("/fluke.v1.Retrieval/Destroy", "/fluke.v1.Nothing/At", "/", "//", "/fluke.v1.Retrieval/", "/a/b/c", "/" + "x" * 3000, "/fluke.v1.Retrieval/search",
                 "/../../etc/passwd", "/%00"):
        yield "unknown method", path, b""
    for path in ("/grpc.health.v1.Health/Check", "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"):
        for _ in range(10):
            yield "health and reflection", path, draw.randbytes(draw.randrange(1, 300))
    yield "oversize message", search, make(image=bytes(33 << 20)).SerializeToString()
    yield "oversize message", search, make(image=bytes(100 << 20)).SerializeToString()
