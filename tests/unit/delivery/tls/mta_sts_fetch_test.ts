/** The rules for getting a policy file, against an HTTPS server that breaks each of them. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { fetchStsPolicy, type HttpFetch, StsFetchError } from "../../../../core/delivery/tls/mta_sts_fetch.ts";
import { testWith } from "../../../support/debian.ts";
import { Authority } from "../../../support/tls.ts";
import { Web } from "../../../support/web.ts";

const POLICY = "version: STSv1\nmode: enforce\nmx: mx.example.org\nmax_age: 86400\n";
const WELL_KNOWN = "GET https://mta-sts.example.org/.well-known/mta-sts.txt";
const plain = { "content-type": "text/plain" };

testWith(
  ["openssl"],
  "case 68: a policy is taken from its one address, as text/plain, verified; nothing else is",
  async () => {
    await using authority = await Authority.make();
    const pair = await authority.issue({ names: ["mta-sts.example.org"] });
    let answer: () => Response = () => new Response(POLICY, { headers: plain });
    await using web = await Web.start(authority, pair, () => answer());
    const get = (timeout = 10_000) => fetchStsPolicy("example.org", { fetch: web.fetch, timeout });

    assertEquals((await get()).mx, ["mx.example.org"]);
    assertEquals(web.requests, [WELL_KNOWN]);
    for (const type of ["text/plain; charset=utf-8", "Text/Plain", "text/plain;charset=us-ascii"]) {
      answer = () => new Response(POLICY, { headers: { "content-type": type } });
      assertEquals((await get()).mode, "enforce", type);
    }
    const big = `${POLICY}${"x: y\n".repeat(200_000)}`; // 1 MB
    const streamed = () => {
      let left = 50_000;
      return new ReadableStream<Uint8Array>({
        pull(controller) {
          if (left-- > 0) controller.enqueue(new TextEncoder().encode("x: yyyyyyyyyyyyyyyyyy\n"));
          else controller.close();
        },
      });
    };
    const gzipped = () => new Blob([big]).stream().pipeThrough(new CompressionStream("gzip"));
    const refused: readonly [string, () => Response, string][] = [
      ["a redirect", () => new Response(null, { status: 302, headers: { location: "/elsewhere" } }), "status 302"],
      [
        "a redirect with a policy",
        () => new Response(POLICY, { status: 301, headers: { ...plain, location: "/x" } }),
        "301",
      ],
      ["404", () => new Response(POLICY, { status: 404, headers: plain }), "status 404"],
      ["203", () => new Response(POLICY, { status: 203, headers: plain }), "status 203"],
      ["HTML", () => new Response(POLICY, { headers: { "content-type": "text/html" } }), "not text/plain"],
      ["no type", () => new Response(new TextEncoder().encode(POLICY)), "not text/plain"],
      ["another type", () => new Response(POLICY, { headers: { "content-type": "text/plainly" } }), "not text/plain"],
      ["1 MB", () => new Response(big, { headers: plain }), "65536"],
      ["1 MB in chunks", () => new Response(streamed(), { headers: plain }), "65536"],
      ["1 MB packed", () => new Response(gzipped(), { headers: { ...plain, "content-encoding": "gzip" } }), "65536"],
    ];
    for (const [what, respond, message] of refused) {
      answer = respond;
      const error = await assertRejects(() => get(), StsFetchError, message);
      assertEquals(error.type, "sts-policy-fetch-error", what);
    }
    assert(web.requests.every((request) => request === WELL_KNOWN), "no redirect was followed");
    answer = () => new Response("<html>", { headers: plain });
    assertEquals((await assertRejects(() => get(), StsFetchError)).type, "sts-policy-invalid");

    const stuck = Promise.withResolvers<void>();
    const slow = (): Response =>
      new Response(
        new ReadableStream({
          async start(controller) {
            controller.enqueue(new TextEncoder().encode("version: STSv1\n"));
            await stuck.promise;
            controller.close();
          },
        }),
        { headers: plain },
      );
    answer = slow;
    const error = await assertRejects(() => get(200), StsFetchError, "no answer in time");
    assertEquals(error.type, "sts-policy-fetch-error");
    stuck.resolve();
  },
);

testWith(["openssl"], "case 68: a policy host must prove its name, in date, by an authority", async () => {
  await using authority = await Authority.make();
  await using other = await Authority.make("another one");
  const pairs = [
    await authority.issue({ names: ["example.org", "mx.example.org"] }),
    await authority.issue({ names: ["mta-sts.example.org"], expired: true }),
    await other.issue({ names: ["mta-sts.example.org"] }),
  ];
  for (const pair of pairs) {
    await using web = await Web.start(authority, pair, () => new Response(POLICY, { headers: plain }));
    const error = await assertRejects(() => fetchStsPolicy("example.org", { fetch: web.fetch }), StsFetchError);
    assertEquals([error.type, web.requests.length], ["sts-webpki-invalid", 0]);
  }
});

Deno.test("a policy host that cannot be reached is a failure to fetch, and the caller may end it", async () => {
  const fetch: HttpFetch = () => Promise.reject(new TypeError("connection refused"));
  assertEquals(
    (await assertRejects(() => fetchStsPolicy("example.org", { fetch }), StsFetchError, "refused")).type,
    "sts-policy-fetch-error",
  );
  const abort = new AbortController();
  const never: HttpFetch = (_, { signal }) =>
    new Promise((_resolve, reject) => signal!.addEventListener("abort", () => reject(signal!.reason)));
  const failed = assertRejects(
    () => fetchStsPolicy("example.org", { fetch: never, signal: abort.signal }),
    StsFetchError,
  );
  abort.abort();
  await failed;
});
