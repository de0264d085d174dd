// A site with socket.io, for the recipe for it: usage recipe-socketio.js VERSION PORT NAME
// VERSION is 0.9 or 2. It answers what it is asked with its name before it. /old.js is the
// client of 0.9, /new.js that of 2.
'use strict';
process.noDeprecation = true; // 0.9 uses what Node has renamed since
process.EventEmitter = require('events'); // dropped by Node 6; policyfile, below 0.9, uses it
const express = require('express');
const http = require('http');
const path = require('path');
const [version, port, name] = process.argv.slice(2);

const app = express();
const file = (...at) => (req, res) => res.sendFile(path.join(__dirname, ...at));
app.get('/old.js', file('node_modules/socket.io-client/dist/socket.io.js'));
app.get('/new.js', file('node_modules/socket.io-client2/dist/socket.io.js'));
app.get('/', file('recipe-socketio.html'));
const server = http.createServer(app);
const sockets = version === '0.9'
  ? require('socket.io09').listen(server, { 'log level': 0, 'flash policy server': false }).sockets
  : require('socket.io2')(server);
sockets.on('connection', (socket) => socket.on('say', (text, answer) => answer(name + ' ' + text)));
server.listen(+port, '127.0.0.1');
