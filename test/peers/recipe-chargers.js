// Chargers on npm ocpp-rpc, whose WebSocket is npm ws, for the recipe for chargers. Usage:
//   recipe-chargers.js day URL IDENTITY VERSION   a charger of WebSocket version 8 or 13
//   recipe-chargers.js silent URL IDENTITY        it answers no ping, and says nothing for five seconds
//   recipe-chargers.js lost URL IDENTITY          the same one, which the gateway gives up
//   recipe-chargers.js metrics URL TOLERANCE...   what the gateway has counted
'use strict';
const { RPCClient } = require('ocpp-rpc');
const { play, same, sleep, until } = require('./gateway-lib.js');
const [what, url, identity, version] = process.argv.slice(2);

function charger(options) {
  const asked = [];
  const cp = new RPCClient({
    endpoint: url, identity, protocols: ['ocpp1.6'], strictMode: true, password: 'correct horse 7', reconnect: false, callTimeoutMs: 10000, ...options,
  });
  for (const method of ['RemoteStartTransaction', 'ChangeConfiguration']) {
    cp.handle(method, ({ params }) => {
      asked.push(method + ' ' + (params.idTag || `${params.key}=${params.value}`));
      return { status: 'Accepted' };
    });
  }
  return { cp, asked };
}

async function boot(cp) {
  same('the status of BootNotification', 'Accepted', (await cp.call('BootNotification', { chargePointVendor: 'vendor', chargePointModel: 'model-8' })).status);
}

// obey says that a connector is free, and does what the central system wants then.
async function obey({ cp, asked }) {
  await cp.call('StatusNotification', { connectorId: 1, errorCode: 'NoError', status: 'Available' });
  await until('both orders', () => asked.length === 2);
  same('the orders', ['RemoteStartTransaction tag-1', 'ChangeConfiguration HeartbeatInterval=600'], asked);
}

const silent = { pingIntervalMs: Infinity, wsOpts: { autoPong: false } };
const plays = {
  day() {
    const c = charger({ wsOpts: { protocolVersion: +version } });
    play([
      ['connects', () => c.cp.connect()],
      ['subprotocol', () => same('the subprotocol', 'ocpp1.6', c.cp.protocol)],
      ['BootNotification', () => boot(c.cp)],
      ['Heartbeat', () => c.cp.call('Heartbeat', {})],
      ['orders', () => obey(c)],
      ['closes', () => c.cp.close()],
    ]);
  },
  silent() {
    const c = charger(silent);
    let closed;
    c.cp.on('close', (e) => { closed = e.code; });
    play([
      ['connects', () => c.cp.connect()],
      ['BootNotification', () => boot(c.cp)],
      ['stays', async () => {
        await sleep(5000);
        same('the close', undefined, closed);
      }],
      ['orders', () => obey(c)],
    ]);
  },
  lost() {
    const c = charger(silent);
    let closed;
    c.cp.on('close', (e) => { closed = e.code; });
    play([
      ['connects', () => c.cp.connect()],
      ['BootNotification', () => boot(c.cp)],
      ['is-given-up', () => until('the end of its connection', () => closed)],
    ]);
  },
  metrics() {
    play(process.argv.slice(4).map((tolerance) => [`tolerated-${tolerance}`, async () => {
      const line = (await (await fetch(url)).text()).split('\n').find((l) => l.startsWith(`draftwire_tolerated_total{tolerance="${tolerance}"}`));
      if (!line || +line.split(' ')[1] < 1) throw new Error(`the metrics say ${line}`);
    }]));
  },
};
plays[what]();
