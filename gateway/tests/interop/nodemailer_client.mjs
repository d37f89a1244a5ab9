// A client written with nodemailer. Called with the directory of nodemailer and the port of a gateway.
import assert from "node:assert/strict";
import { createRequire } from "node:module";

const [module, port] = process.argv.slice(2);
const nodemailer = createRequire(import.meta.url)(module);
const transport = nodemailer.createTransport({
  host: "127.0.0.1", port: Number(port), name: "client.example", ignoreTLS: true,
  auth: { user: "alice", pass: "winter" },
  pool: true, maxConnections: 4, maxMessages: 3,
});
const letter = { from: "alice@contoso.test", to: "bob@contoso.test", subject: "Vierzig Stühle", text: ".\n..\nBitte." };

assert.equal(await transport.verify(), true);
const sent = await Promise.all(Array.from({ length: 20 }, () => transport.sendMail(letter)));
assert.equal(new Set(sent.map(({ response }) => response)).size, 20);
for (const { response, accepted } of sent) {
  assert.match(response, /^250 2\.6\.0 OK /);
  assert.deepEqual(accepted, ["bob@contoso.test"]);
}
await transport.sendMail({
  ...letter,
  dsn: { id: "forty=chairs", return: "headers", notify: "success", recipient: "alice@contoso.test" },
});
transport.close();
