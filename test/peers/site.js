// A site of today, as npm has it: express for the page and the files, SockJS for messages,
// with its own client from its own package. usage site.js PORT
// It knows nothing of old browsers and of a gateway in front.
'use strict';
const express = require('express');
const http = require('http');
const path = require('path');
const sockjs = require('sockjs');

const app = express();
app.use('/client', express.static(path.dirname(require.resolve('sockjs-client/dist/sockjs.min.js'))));
app.get('/', (req, res) => res.sendFile(path.join(__dirname, 'site.html')));
app.get('/portal', (req, res) => res.sendFile(path.join(__dirname, 'portal.html')));
// Long polls. Pages that are open at the same time have news of their own, by the time when they
// began.
let waiting = [];
app.get('/poll', (req, res) => { waiting.push({ res, t: req.query.t }); });
app.post('/say', express.text({ type: () => true }), (req, res) => {
  const told = waiting.filter((poll) => poll.t === req.query.t);
  waiting = waiting.filter((poll) => poll.t !== req.query.t);
  for (const poll of told) poll.res.json({ said: req.body, to: told.length });
  res.status(204).end();
});

const echo = sockjs.createServer({ log() {} });
echo.on('connection', (conn) => conn.on('data', (message) => conn.write(message)));
const server = http.createServer(app);
echo.installHandlers(server, { prefix: '/echo' });
server.listen(Number(process.argv[2]), '127.0.0.1');
