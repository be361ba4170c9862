import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { type ClientCredentials, SaslFailed, scramClient } from "../../../../../core/smtp/sasl/client/mod.ts";
import { MECHANISMS } from "../../../../../core/smtp/sasl/mod.ts";
import { deriveScramKeys, formatScramKeys, SHA_256 } from "../../../../../core/smtp/sasl/scram_keys.ts";
import { latin1, login, octets, utf8 } from "../../../../support/sasl.ts";

const SCRAM = MECHANISMS.get("SCRAM-SHA-256")!;
const random = (length: number) => crypto.getRandomValues(new Uint8Array(length));
const salt = octets("0123456789abcdef"), password = "pencil";
const stored = formatScramKeys(await deriveScramKeys(password, { iterations: 4096, salt }));
const client = (credentials: Partial<ClientCredentials> = {}) =>
  scramClient({ user: "user", password, ...credentials }, { binding: "none", random });

/** What the client does where the server's challenges arrive changed: the name of its error, or whether it believes. */
async function meets(change: (challenge: string) => string | Uint8Array): Promise<string> {
  const it = client();
  try {
    const { believed } = await login(SCRAM, it, { stored, change: (challenge) => utf8(change(latin1(challenge))) });
    return String(believed);
  } catch (error) {
    assertEquals(it.done(), false);
    assert(error instanceof Error && !error.message.includes(password));
    return error.name;
  }
}
/** Changes the server's first message, or its last. */
const first = (change: (message: string) => string | Uint8Array) => (message: string) =>
  message.startsWith("v=") ? message : change(message);
const last = (change: (message: string) => string | Uint8Array) => (message: string) =>
  message.startsWith("v=") ? change(message) : message;

Deno.test("a server that keeps to SCRAM is believed", async () => {
  assertEquals(await meets((message) => message), "true");
});

Deno.test("case 42: iterations that sell the password, or would hang us, are refused at once", async () => {
  for (
    const count of [
      "1",
      "4095",
      "1000001",
      "1000000000",
      "9999999999",
      "99999999999999999999",
      "0",
      "-1",
      "04096",
      "4096.5",
      "1e4",
      "",
    ]
  ) {
    const it = client(), started = performance.now();
    const nonce = latin1((await it.initial())!).split("r=")[1];
    await assertRejects(() => it.respond(utf8(`r=${nonce}x,s=${salt.toBase64()},i=${count}`)), SaslFailed);
    assert(performance.now() - started < 500, count);
    assertEquals(it.done(), false);
  }
});

Deno.test("case 42: a nonce that is not made of ours is refused, and so is our own given back", async () => {
  for (
    const change of [
      (nonce: string) => nonce, // nothing of the server's
      (nonce: string) => nonce.slice(0, -1),
      (nonce: string) => `x${nonce}`,
      (nonce: string) => `${nonce.toLowerCase()}abc`,
      (nonce: string) => `${nonce.slice(0, -1)}\x7fabc`,
      () => "other",
      () => "",
    ]
  ) {
    const it = client(), nonce = latin1((await it.initial())!).split("r=")[1]!;
    await assertRejects(() => it.respond(utf8(`r=${change(nonce)},s=${salt.toBase64()},i=4096`)), SaslFailed);
  }
});

Deno.test("case 42: what is no first message of a server is refused", async () => {
  for (
    const change of [
      () => "",
      () => ",".repeat(1e6),
      () => "=".repeat(1e6),
      () => "\0".repeat(1e6),
      () => octets("\xff"),
      () => "e=other-error",
      (message: string) => `m=x,${message}`,
      (message: string) => `${message},`,
      (message: string) => `${message},m=x`,
      (message: string) => `${message},i=4096`,
      (message: string) => message.replace(/,i=.*/, ""),
      (message: string) => message.replace(/s=[^,]*/, "s="),
      (message: string) => message.replace(/s=[^,]*/, "s=A"),
      (message: string) => message.replace(/s=[^,]*/, `s=${new Uint8Array(1025).toBase64()}`),
      (message: string) => message.replace(/(s=[^,]*),(i=.*)/, "$2,$1"),
    ]
  ) assertEquals(await meets(first(change)), "SaslFailed", String(change));
});

Deno.test("case 42: a changed salt or count ends in a refusal, not in a success", async () => {
  assertEquals(await meets(first((message) => message.replace("i=4096", "i=4097"))), "false");
  assertEquals(await meets(first((message) => message.replace(/s=[^,]*/, "s=AAAA"))), "false");
});

Deno.test("case 42: without the server's proof no success is believed", async () => {
  for (
    const change of [
      () => "",
      () => "v=",
      () => `v=${new Uint8Array(32).toBase64()}`,
      (message: string) => message.slice(0, 20),
      (message: string) => message.replace(/.=$/, (end) => end === "A=" ? "E=" : "A="),
      (message: string) => `x=y,${message}`,
      (message: string) => `${message},`,
      (message: string) => message.replace("v=", "V="),
      () => "e=invalid-proof",
      () => "e=\x1b[31m",
    ]
  ) assertEquals(await meets(last(change)), "SaslFailed", String(change));
  const it = client();
  await it.initial();
  assertEquals(it.done(), false); // 235 straight away
});

Deno.test("case 42: the server's reasons are told in words of the RFC only", async () => {
  const said = async (reason: string) => {
    const it = client(), nonce = latin1((await it.initial())!).split("r=")[1]!;
    await it.respond(utf8(`r=${nonce}x,s=${salt.toBase64()},i=4096`));
    return (await assertRejects(() => it.respond(utf8(reason)), SaslFailed)).message;
  };
  assertEquals(await said("e=unknown-user"), "The server refused: unknown-user");
  assertEquals(await said("e=\x1b[31mred"), "The server refused: other-error");
});

Deno.test("an extension that is not known is ignored where it is optional", async () => {
  // The client signs what it saw, the server what it said: so the server's proof is what fails, not the message's form.
  const it = client(), nonce = latin1((await it.initial())!).split("r=")[1]!;
  const answer = latin1(await it.respond(utf8(`r=${nonce}x,s=${salt.toBase64()},i=4096,x=y`)));
  assert(answer.startsWith(`c=biws,r=${nonce}x,p=`));
});

Deno.test("case 42: a mandatory extension is refused (RFC 5802 5.1)", async () => {
  const it = client(), nonce = latin1((await it.initial())!).split("r=")[1]!;
  const extended = utf8(`m=x,r=${nonce}x,s=${salt.toBase64()},i=4096`);
  const { message } = await assertRejects(() => it.respond(extended), SaslFailed);
  assertEquals(message, "The server's message is wrong: No mandatory extension is known here");
});

Deno.test("after a failure and after the end nothing more is answered", async () => {
  const it = client();
  await it.initial();
  await assertRejects(() => it.respond(utf8("nonsense")), SaslFailed);
  await assertRejects(() => it.respond(utf8("nonsense")), SaslFailed);
  const done = client();
  await login(SCRAM, done, { stored });
  assertEquals(done.done(), true);
  await assertRejects(() => done.respond(utf8("v=AAAA")), SaslFailed);
  assertEquals(done.done(), false);
});

Deno.test("SCRAM's header says whether the channel was to be bound, and for whom", async () => {
  const header = async (binding: Parameters<typeof scramClient>[1]["binding"], authzid?: string) => {
    const it = scramClient({ user: "a=b,c", password, authzid }, { binding, random });
    return [it.name, latin1((await it.initial())!).split("r=")[0]];
  };
  assertEquals(await header("none"), ["SCRAM-SHA-256", "n,,n=a=3Db=2Cc,"]);
  assertEquals(await header("not offered"), ["SCRAM-SHA-256", "y,,n=a=3Db=2Cc,"]);
  const plus = { type: "tls-exporter", octets: octets("x") };
  assertEquals(await header(plus, "o=p"), ["SCRAM-SHA-256-PLUS", "p=tls-exporter,a=o=3Dp,n=a=3Db=2Cc,"]);
});

Deno.test("names and passwords that SCRAM cannot say are refused before anything is said", () => {
  for (
    const wrong of [
      { user: "" },
      { user: "\u00ad" },
      { user: "a\0b" },
      { user: "a\nb" },
      { password: "" },
      { password: undefined },
      { password: "pencil\0" },
      { password: "pencil\u0378" },
      { password: "\u05d01" },
      { authzid: "a\rb" },
    ]
  ) {
    const error = assertThrows(() => client(wrong), SaslFailed);
    assertEquals(error.message.includes("pencil"), false);
  }
  assertEquals(Deno.inspect(client(), { showHidden: true, depth: 9 }).includes(password), false);
  assertEquals(SHA_256.name, "SCRAM-SHA-256");
});
