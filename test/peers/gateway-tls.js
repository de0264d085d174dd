// openssl s_client against a port with the profile legacy and one with modern, behind them
// test/gateway's backend. usage: gateway-tls.js LEGACY MODERN CA
// The WebSocket handshakes and frames are written out here.
'use strict';
const { start, until, same, play } = require('./gateway-lib.js');

const [legacy, modern, ca] = process.argv.slice(2);
const old = ['-tls1', '-cipher', 'AES128-SHA@SECLEVEL=0']; // RSA key exchange

const wires = {
  'hixie-75': {
    fields: ['Connection: Upgrade', 'Upgrade: WebSocket', 'Origin: http://127.0.0.1'],
    frame: Buffer.from('\x00hello\xff', 'latin1'),
    echo: Buffer.from('\x00hello\xff', 'latin1'),
  },
  'rfc6455': {
    fields: ['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=='],
    frame: Buffer.from([0x81, 0x85, 0, 0, 0, 0, ...Buffer.from('hello')]),
    echo: Buffer.from([0x81, 0x05, ...Buffer.from('hello')]),
  },
};

// talk opens TLS with s_client and echoes a message; its promise is what s_client says of the
// connection, by name.
async function talk(port, options, version) {
  const wire = wires[version];
  const argv = ['s_client', '-connect', `127.0.0.1:${port}`, '-brief', '-ign_eof', '-CAfile', ca, '-verify_return_error', ...options];
  const p = start('openssl', argv, { stdio: ['pipe', 'pipe', 'pipe'] });
  const chunks = [];
  p.child.stdout.on('data', (d) => chunks.push(d));
  p.child.stdin.on('error', () => {});
  const over = () => p.child.exitCode !== null;
  const head = [`GET /ws/openssl-${version}/echo?case=hello HTTP/1.1`, `Host: 127.0.0.1:${port}`, ...wire.fields, '', ''];
  p.child.stdin.write(head.join('\r\n'));
  const answer = () => Buffer.concat(chunks);
  await until('a head', () => answer().includes('\r\n\r\n') || over());
  if (!answer().toString().startsWith('HTTP/1.1 101 ')) throw new Error(`no 101: ${answer()} ${p.err}`);
  p.child.stdin.write(wire.frame);
  await until('an echo', () => answer().includes(wire.echo) || over());
  if (!answer().includes(wire.echo)) throw new Error(`no echo: ${answer().toString('hex')}`);
  p.child.kill();
  const said = {};
  for (const m of p.err.matchAll(/^(.*?): (.*)$/gm)) said[m[1]] = m[2];
  return said;
}

function wants(port, options, version, want) {
  return async () => {
    const said = await talk(port, options, version);
    for (const [name, value] of Object.entries(want)) {
      if (!value.test(said[name])) throw new Error(`${name}: want ${value}, got ${said[name]}`);
    }
  };
}

const rsa = { 'Protocol version': /^TLSv1$/, 'Ciphersuite': /^AES128-SHA$/, 'Verification': /^OK$/ };
const tls13 = { 'Protocol version': /^TLSv1.3$/, 'Ciphersuite': /^TLS_AES_\d+_GCM_SHA/, 'Signature type': /^ECDSA$/, 'Verification': /^OK$/ };
const tls12 = { 'Protocol version': /^TLSv1.2$/, 'Ciphersuite': /^ECDHE-ECDSA-AES\d+-GCM-SHA/, 'Signature type': /^ECDSA$/, 'Verification': /^OK$/ };

play([
  ['tls1-hixie-75', wants(legacy, old, 'hixie-75', rsa)],
  ['tls1-rfc6455', wants(legacy, old, 'rfc6455', rsa)],
  ['tls1.1-hixie-75', wants(legacy, ['-tls1_1', '-cipher', 'AES256-SHA@SECLEVEL=0'], 'hixie-75', { 'Protocol version': /^TLSv1.1$/, 'Ciphersuite': /^AES256-SHA$/ })],
  ['tls1.3-beside', wants(legacy, ['-tls1_3'], 'rfc6455', tls13)],
  ['tls1.2-beside', wants(legacy, ['-tls1_2'], 'rfc6455', tls12)],
  ['any-beside', wants(legacy, [], 'hixie-75', tls13)],
  ['tls1-refused-by-modern', async () => {
    const p = start('openssl', ['s_client', '-connect', `127.0.0.1:${modern}`, '-brief', ...old]);
    same('status', 1, await p.ended);
    if (!/alert protocol version/.test(p.err)) throw new Error(`no alert: ${p.err}`);
  }],
  ['tls1.3-modern', wants(modern, ['-tls1_3'], 'rfc6455', tls13)],
]);
