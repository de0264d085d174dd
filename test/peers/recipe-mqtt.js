// For the recipe for MQTT: usage
//   recipe-mqtt.js site PORT   the page of a panel, recipe-mqtt.html, and Paho's client
//   recipe-mqtt.js client URL  MQTT.js: gets what the panel publishes, publishes it back to the panel
'use strict';
const express = require('express');
const mqtt = require('mqtt');
const path = require('path');
const { play, same, until } = require('./gateway-lib.js');
const [what, at] = process.argv.slice(2);

if (what === 'site') {
  const app = express();
  app.get('/', (req, res) => res.sendFile(path.join(__dirname, 'recipe-mqtt.html')));
  app.get('/paho-mqtt.js', (req, res) => res.sendFile(path.join(__dirname, 'node_modules/paho-mqtt/paho-mqtt.js')));
  app.listen(+at, '127.0.0.1');
} else {
  let client;
  const got = [];
  play([
    ['connects', async () => {
      client = await mqtt.connectAsync(at, { clientId: 'dashboard', reconnectPeriod: 0, connectTimeout: 15000 });
      client.on('message', (topic, payload) => got.push(payload));
    }],
    ['subscribes', () => client.subscribeAsync('from/panel', { qos: 1 })],
    ['message-from-paho', async () => {
      await until('a message', () => got.length, 25000);
      same('the message', Buffer.from(Array.from({ length: 256 }, (_, i) => i)).toString('hex'), got[0].toString('hex'));
    }],
    ['publishes', () => client.publishAsync('to/panel', got[0], { qos: 1, retain: true })],
    ['large-message', async () => {
      const large = Buffer.alloc(300000, 'mqtt ');
      await client.subscribeAsync('large', { qos: 1 });
      await client.publishAsync('large', large, { qos: 1 });
      const back = await until('the message', () => got.find((m) => m.length === large.length));
      same('the message', true, back.equals(large));
    }],
    ['disconnects', () => client.endAsync()],
  ]);
}
