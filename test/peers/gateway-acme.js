// Certificates from Pebble, Let's Encrypt's ACME server for tests, on a port that also has
// the legacy certificate for old clients; once proven within TLS, once by a page in clear
// text. Pebble's certificates last a quarter of a minute here, so that renewal is seen.
// usage: gateway-acme.js BIN CERTS BACKEND ACME MANAGEMENT DNS TLS CLEAR OTHER: folders, ports
'use strict';
const fs = require('fs');
const path = require('path');
const tls = require('tls');
const { execFileSync } = require('child_process');
const WebSocket = require('ws');
const { start, until, listens, gateway, same, play } = require('./gateway-lib.js');

const [bin, certs] = process.argv.slice(2, 4);
const [backend, acme, management, dns, secure, clear, other] = process.argv.slice(4).map(Number);
const dir = path.join(process.env.TMPDIR, 'acme');
const file = (name) => path.join(dir, name);
const DOMAIN = 'tv.example.test';

// pebble's own certificate is for localhost.
function pebble() {
  fs.mkdirSync(dir);
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2',
    '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost', '-keyout', file('key.pem'), '-out', file('cert.pem')], { stdio: 'ignore' });
  fs.writeFileSync(file('pebble.json'), JSON.stringify({ pebble: {
    listenAddress: `127.0.0.1:${acme}`, managementListenAddress: `127.0.0.1:${management}`,
    certificate: file('cert.pem'), privateKey: file('key.pem'), httpPort: clear, tlsPort: secure,
    retryAfter: { authz: 1, order: 1 }, keyAlgorithm: 'ecdsa', profiles: { default: { description: 'short', validityPeriod: 15 } },
  } }));
  start(path.join(bin, 'pebble-challtestsrv'), ['-defaultIPv4', '127.0.0.1', '-defaultIPv6', '', '-dnsserver', `127.0.0.1:${dns}`,
    '-http01', '', '-https01', '', '-tlsalpn01', '', '-doh', '', '-management', '127.0.0.1:0']);
  start(path.join(bin, 'pebble'), ['-config', file('pebble.json'), '-dnsserver', `127.0.0.1:${dns}`],
    { env: { ...process.env, PEBBLE_VA_NOSLEEP: '1' } });
  return until('pebble listens', () => listens(acme));
}

const config = (name, ports) => ({ port: ports[0], text: `
listen:
  - name: tls
    address: 127.0.0.1:${ports[0]}
    tls:
      profile: legacy
      acme: {domains: [${DOMAIN}], cache: ${file(name)}, directory: "https://localhost:${acme}/dir", ca: ${file('cert.pem')}}
      certificates: [{cert: ${certs}/127.0.0.1.pem, key: ${certs}/127.0.0.1-key.pem}]
${ports[1] ? `  - {name: clear, address: "127.0.0.1:${ports[1]}"}` : ''}
admin: {address: "off"}
routes: [{backends: [{url: "ws://127.0.0.1:${backend}"}]}]
` });

// shown is the certificate that a client gets.
function shown(port, options) {
  return new Promise((resolve) => {
    const s = tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...options }, () => {
      resolve({ ...s.getPeerCertificate(), protocol: s.getProtocol() });
      s.destroy();
    });
    s.on('error', () => resolve(null));
  });
}
const issued = (port) => until('a certificate of Pebble', async () => {
  const c = await shown(port, { servername: DOMAIN });
  return c && /^Pebble/.test(c.issuer.CN) && c;
}, 40000);

let first;
play([
  ['issued-within-tls', async () => {
    await pebble();
    await gateway('acme-tls', config('tls', [secure]));
    first = await issued(secure);
    same('name', `DNS:${DOMAIN}`, first.subjectaltname);
  }],
  ['legacy-beside-it', async () => {
    const old = await shown(secure, { maxVersion: 'TLSv1', minVersion: 'TLSv1', ciphers: 'AES128-SHA@SECLEVEL=0' });
    same('what an old client gets', ['127.0.0.1', 'TLSv1'], [old.subject.CN, old.protocol]);
  }],
  ['renewed-without-restart', async () => {
    const ws = new WebSocket(`wss://127.0.0.1:${secure}/acme/echo`, { rejectUnauthorized: false, servername: DOMAIN });
    await new Promise((resolve, reject) => { ws.on('open', resolve); ws.on('error', reject); });
    await until('another certificate', async () => (await shown(secure, { servername: DOMAIN })).serialNumber !== first.serialNumber, 60000);
    const echo = new Promise((resolve) => ws.once('message', (data) => resolve(data.toString())));
    ws.send('still here');
    same('the old connection', 'still here', await echo);
    ws.terminate();
  }],
  ['issued-by-a-page', async () => {
    // The challenge within TLS goes to the first gateway, which does not know it.
    const g = await gateway('acme-page', config('page', [other, clear]));
    await issued(other);
    same('complaints', [], g.lines().filter((l) => /certificate/.test(l.msg)));
  }],
]);
