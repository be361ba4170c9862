/**
 * Text of a file of tables to a tree. Plain lines are read by our own reader, anything else YAML can write by the whole
 * parser, with the failsafe schema in both: names are texts, so that `007` and `no` are names.
 */
import { isAlias, isMap, isScalar, isSeq, parseDocument } from "yaml";
import { type Entry, FaultError, type Node } from "./node.ts";
import { readPlain } from "./plain_reader.ts";

/** The whole parser needs some kilobytes a line: above this many characters only plain lines are read. */
const WHOLE_YAML = 4 * 1024 * 1024;

/** @throws {FaultError} with the offset, where the text is no UTF-8 or no YAML. */
export function readTables(text: string): Node {
  const damaged = text.indexOf("\ufffd"); // what a decoder puts in place of octets that are no UTF-8
  if (damaged >= 0) throw new FaultError({ at: damaged, message: "this is no UTF-8 text" });
  return readPlain(text) ?? readYaml(text);
}

function readYaml(text: string): Node {
  if (text.length > WHOLE_YAML) {
    throw new FaultError({ at: 0, message: "a file above 4 MiB has to be written in plain lines like `name: target`" });
  }
  // uniqueKeys would compare each key with each; the tables find doubled names themselves.
  const document = parseDocument(text, { schema: "failsafe", uniqueKeys: false, prettyErrors: false });
  const error = document.errors[0];
  if (error) throw new FaultError({ at: error.pos[0], message: error.message });
  return convert(document.contents, 0);
}

function convert(node: unknown, above: number): Node {
  const at = (node as { range?: readonly number[] } | null)?.range?.[0] ?? above;
  if (isMap(node)) {
    const entries = node.items.map(({ key, value }): Entry => {
      const name = convert(key, at);
      if (name.kind !== "text") throw new FaultError({ at: name.at, message: "a name has to be a text" });
      return { key: name.text, at: name.at, value: convert(value, Number(name.at)) };
    });
    return { kind: "table", at, entries };
  }
  if (isSeq(node)) return { kind: "list", at, items: node.items.map((item) => convert(item, at)) };
  if (isAlias(node)) throw new FaultError({ at, message: "anchors are not read here: write the value again" });
  return { kind: "text", at, text: isScalar(node) ? String(node.value ?? "") : "" };
}

/** `line:column` of an offset, both from 1. */
export function position(text: string, offset: number): string {
  const before = text.slice(0, offset);
  const line = before.lastIndexOf("\n");
  return `${before.split("\n").length}:${offset - line}`;
}
