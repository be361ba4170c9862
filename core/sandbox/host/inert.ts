/**
 * Looks at a value from inside that is given on as it is: the value of a key, a schema. It is data, of this thread alone,
 * and as large as facts are: no memory that the sandbox can still write to, no port, no circle. Non-job: what it means.
 */

const MAX_DEPTH = 100, MAX_NODES = 100_000, MAX_OCTETS = 4 * 1024 * 1024;

/** Why it is none, or null. In a time that its size bounds. */
export function faultOf(value: unknown): string | null {
  const waiting: [value: unknown, depth: number][] = [[value, 0]];
  let nodes = 0, octets = 0;
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const [each, depth] = next;
    if (++nodes > MAX_NODES) return `has more than ${MAX_NODES} parts`;
    if (depth > MAX_DEPTH) return `is more than ${MAX_DEPTH} deep, or a circle`;
    octets += sizeOf(each);
    if (octets > MAX_OCTETS) return `has more than ${MAX_OCTETS} octets`;
    if (typeof each !== "object" || each === null) continue;
    const parts = partsOf(each);
    if (parts === null) return "holds what is no data";
    if (nodes + waiting.length + parts.length > MAX_NODES) return `has more than ${MAX_NODES} parts`;
    for (const part of parts) waiting.push([part, depth + 1]);
  }
  return null;
}

function sizeOf(value: unknown): number {
  switch (typeof value) {
    case "string":
      return value.length;
    case "bigint":
      return value.toString(16).length;
    case "object":
      if (value instanceof ArrayBuffer) return value.byteLength;
      return ArrayBuffer.isView(value) ? value.buffer.byteLength : 0;
    default:
      return 0;
  }
}

/** What is in it; null: it is not what a fact is made of. */
function partsOf(value: object): readonly unknown[] | null {
  if (Array.isArray(value)) return value.length > MAX_NODES ? new Array(MAX_NODES + 1) : value;
  if (value instanceof Map) return value.size > MAX_NODES ? new Array(MAX_NODES + 1) : [...value].flat();
  if (value instanceof Set) return value.size > MAX_NODES ? new Array(MAX_NODES + 1) : [...value];
  if (value instanceof ArrayBuffer || value instanceof Date || value instanceof RegExp) return [];
  if (ArrayBuffer.isView(value)) return value.buffer instanceof ArrayBuffer ? [] : null;
  if (value instanceof Error) return [value.message, value.stack, value.cause];
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return null;
  return Object.entries(value).flat();
}
