/** URLs of next hops: what they name, what they are not, and that logs show no secret of theirs. */
import { assert, assertEquals } from "@std/assert";
import { formatHopHost, type HopHost, parseHopHost } from "../../../core/delivery/next_hop.ts";

const smtp = (host: string, port = 25): HopHost => ({ kind: "smtp", host, port, implicitTls: false, lmtp: false });

Deno.test("a URL names a host, and a host its URL", () => {
  const table: readonly [string, HopHost, string?][] = [
    ["smtp://relay.example.org", smtp("relay.example.org")],
    ["smtp://relay.example.org:587", smtp("relay.example.org", 587)],
    ["SMTP://Relay.Example.ORG:25/", smtp("relay.example.org"), "smtp://relay.example.org"],
    ["smtp://bücher.example", smtp("xn--bcher-kva.example"), "smtp://xn--bcher-kva.example"],
    ["smtp://localhost:2525", smtp("localhost", 2525)],
    ["smtp://192.0.2.1:25", smtp("192.0.2.1"), "smtp://192.0.2.1"],
    ["smtp://[2001:DB8::0:1]:587", smtp("2001:db8::1", 587), "smtp://[2001:db8::1]:587"],
    ["smtps://relay.example.org", { ...smtp("relay.example.org", 465), implicitTls: true } as HopHost],
    ["smtps://relay.example.org:1465", { ...smtp("relay.example.org", 1465), implicitTls: true } as HopHost],
    ["lmtp://127.0.0.1", { ...smtp("127.0.0.1", 24), lmtp: true } as HopHost],
    ["lmtp://[::1]:2424", { ...smtp("::1", 2424), lmtp: true } as HopHost],
    ["lmtp+unix:///run/dovecot/lmtp", { kind: "unix", path: "/run/dovecot/lmtp", lmtp: true }],
    ["smtp+unix:///a@b:c%20d", { kind: "unix", path: "/a@b:c%20d", lmtp: false }],
    ["https://App.example.org", { kind: "http", url: "https://app.example.org/" }, "https://app.example.org/"],
    [
      "http://[::1]:8000/mail?key=secret",
      { kind: "http", url: "http://[::1]:8000/mail?key=secret" },
      "http://[::1]:8000/mail",
    ],
  ];
  for (const [url, host, shown = url] of table) {
    const found = parseHopHost(url);
    assertEquals(found, host, url);
    assertEquals(formatHopHost(host), shown);
  }
});

Deno.test("what is no URL of a next hop is told, without showing it", () => {
  const wrong: readonly [string, RegExp][] = [
    ["", /^must be a URL/],
    ["relay.example.org", /^must be a URL/],
    ["relay.example.org:587", /^must be a URL/],
    ["smtp:relay.example.org", /^must be a URL/],
    ["smtp://", /^must be a URL/],
    ["smtp://:25", /^must be a URL/],
    ["smtp:// relay.example.org", /^must be a URL/],
    ["smtp://relay.example.org:0", /^must be a URL/],
    ["smtp://relay.example.org:65536", /^must be a URL/],
    ["smtp://relay.example.org:", /^must be a URL/],
    ["smtp://relay.example.org/path", /^must be a URL/],
    ["smtp://relay.example.org?x", /^must be a URL/],
    ["smtp://-relay.example.org", /^must be a URL/],
    ["smtp://192.0.2.300", /^must be a URL/],
    ["smtp://192.0.2", /^must be a URL/],
    ["smtp://[192.0.2.1]", /^must be a URL/],
    ["smtp://2001:db8::1", /^must be a URL/],
    ["smtp://[2001:db8::1", /^must be a URL/],
    ["smtp://a\r\nb", /^must be a URL/],
    ["ftp://relay.example.org", /^must be a URL/],
    ["constructor://relay.example.org", /^must be a URL/],
    ["lmtps://relay.example.org", /^must be a URL/],
    ["https://", /^must be a URL/],
    ["https://app.example.org/#part", /^must be a URL/],
    ["lmtp://relay.example.org:25", /RFC 2033/],
    ["lmtp+unix://run/lmtp", /whole path/],
    ["lmtp+unix:///", /whole path/],
    [`lmtp+unix:///${"é".repeat(54)}`, /107 octets/],
    ["smtp://user:hunter2@relay.example.org", /no login: set auth/],
    ["smtps://user@relay.example.org:465", /no login: set auth/],
    ["https://user:hunter2@app.example.org/", /no login: set secret/],
  ];
  for (const [url, why] of wrong) {
    const found = parseHopHost(url);
    assert(typeof found === "string" && why.test(found), `${url}: ${JSON.stringify(found)}`);
    assert(!found.includes("hunter2"));
  }
});
