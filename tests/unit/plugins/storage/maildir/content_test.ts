import { assertEquals } from "@std/assert";
import { copyOf } from "../../../../../plugins/storage/maildir/content.ts";
import { LineFeeds } from "../../../../../plugins/storage/maildir/line_feed.ts";

async function* cut(text: string, size: number): AsyncGenerator<Uint8Array> {
  const octets = new TextEncoder().encode(text);
  for (let at = 0; at < octets.length; at += size) yield await Promise.resolve(octets.subarray(at, at + size));
}

async function written(text: string, size: number): Promise<string> {
  const lines = new LineFeeds();
  let out = "";
  for await (const chunk of copyOf(() => cut(text, size), "joe@example.org", lines)) {
    out += new TextDecoder().decode(chunk);
  }
  assertEquals(lines.size, out.length);
  return out;
}

Deno.test("Delivered-To stands below Return-Path, wherever the chunks end", async () => {
  const table: [message: string, file: string][] = [
    ["Return-Path: <a@b>\r\nX: 1\r\n\r\nhi\r\n", "Return-Path: <a@b>\nDelivered-To: joe@example.org\nX: 1\n\nhi\n"],
    ["return-path: <>\r\n", "return-path: <>\nDelivered-To: joe@example.org\n"],
    ["X: 1\r\n\r\nhi", "Delivered-To: joe@example.org\nX: 1\n\nhi"],
    ["Return", "Delivered-To: joe@example.org\nReturn"],
    ["Return-Path: " + "x".repeat(2000), "Delivered-To: joe@example.org\nReturn-Path: " + "x".repeat(2000)],
    ["", "Delivered-To: joe@example.org\n"],
    ["R\r", "Delivered-To: joe@example.org\nR\r"],
  ];
  for (const [message, file] of table) {
    for (const size of [1, 2, 7, 19, 20, 10_000]) assertEquals(await written(message, size), file);
  }
});
