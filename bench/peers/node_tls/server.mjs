/**
 * The least that one can write over node:net and node:tls which keeps the promises of a 250: STARTTLS, then messages, each
 * in a file of its own as it came, dots and all: synced, renamed, the folder synced. Runs on Node and on Deno. It knows
 * no limits, no errors and no policy: the floor of a runtime, not a server to use. Usage: node server.mjs PORT FOLDER KEY CERT
 */
import fs from "node:fs";
import net from "node:net";
import process from "node:process";
import tls from "node:tls";
import { Buffer } from "node:buffer";

const [port, folder, key, cert] = process.argv.slice(2);
const secureContext = tls.createSecureContext({ key: fs.readFileSync(key), cert: fs.readFileSync(cert) });
fs.mkdirSync(folder, { recursive: true });
const directory = await fs.promises.open(folder, "r");
const END = Buffer.from("\r\n.\r\n");
let sequence = 0;

async function keep(chunks) {
  const name = `${folder}/${(sequence++).toString(36)}`;
  const file = await fs.promises.open(name, "wx", 0o600);
  await file.writev(chunks);
  await file.sync();
  await file.close();
  await fs.promises.rename(name, `${name}.eml`);
  await directory.sync();
}

function speak(socket, secure) {
  let line = "", chunks = null;
  const command = (verb) => {
    if (verb === "EHLO") socket.write(secure ? "250-bench\r\n250 8BITMIME\r\n" : "250-bench\r\n250 STARTTLS\r\n");
    else if (verb === "DATA") {
      chunks = [];
      socket.write("354 go\r\n");
    } else if (verb === "QUIT") socket.end("221 bye\r\n");
    else socket.write("250 ok\r\n");
  };
  const commands = (chunk) => {
    line += chunk.toString("latin1");
    for (let end; (end = line.indexOf("\n")) >= 0;) {
      const verb = line.slice(0, 4).toUpperCase();
      line = line.slice(end + 1);
      if (verb !== "STAR") command(verb);
      else {
        socket.off("data", onData);
        socket.pause(); // else handshakes hang under load on Deno
        socket.write("220 go\r\n", () => speak(new tls.TLSSocket(socket, { isServer: true, secureContext }), true));
      }
    }
  };
  const onData = (chunk) => {
    if (chunks === null) return commands(chunk);
    chunks.push(chunk);
    // Nobody pipelines here: nothing comes behind the dot before the 250.
    const tail = chunk.length >= 5 ? chunk : Buffer.concat(chunks.slice(-5));
    if (!tail.subarray(-5).equals(END)) return;
    const body = chunks;
    chunks = null;
    keep(body).then(() => socket.write("250 kept\r\n"), () => socket.write("451 not kept\r\n"));
  };
  socket.on("error", () => {});
  socket.on("data", onData);
}

net.createServer({ noDelay: true }, (socket) => {
  socket.write("220 bench\r\n");
  speak(socket, false);
}).listen(Number(port), "127.0.0.1", 4096);
