"""Reads a segment (an Arrow file, decrypted) from standard input with pyarrow and prints its metadata and rows as JSON.

With an argument, writes the same table there as pyarrow writes it.
"""

import json
import sys

import pyarrow
import pyarrow.ipc

file = pyarrow.ipc.open_file(pyarrow.BufferReader(sys.stdin.buffer.read()))
table = file.read_all()
table.validate(full=True)

columns = {}
for field in table.schema:
    column = table.column(field.name)
    if pyarrow.types.is_timestamp(field.type):
        assert field.type == pyarrow.timestamp("ms", tz="UTC"), field.type
        column = column.cast(pyarrow.int64())
    columns[field.name] = column.to_pylist()

rows = [dict(zip(columns, values)) for values in zip(*columns.values())]
metadata = {key.decode(): value.decode() for key, value in table.schema.metadata.items()}
json.dump({"metadata": metadata, "rows": rows}, sys.stdout)

if len(sys.argv) > 1:
    options = pyarrow.ipc.IpcWriteOptions(compression="zstd")
    with pyarrow.ipc.new_file(sys.argv[1], table.schema, options=options) as out:
        for index in range(file.num_record_batches):
            out.write_batch(file.get_batch(index))
