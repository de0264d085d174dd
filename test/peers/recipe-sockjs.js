// A site with SockJS, for the recipe for it: usage recipe-sockjs.js PORT NAME
// It echoes what it gets, with its name before it, and knows nothing of old browsers, of
// another site beside it and of a gateway in front. /old.js is a client of 2012, /new.js one
// of today.
'use strict';
const express = require('express');
const http = require('http');
const path = require('path');
const sockjs = require('sockjs');
const [port, name] = process.argv.slice(2);

const app = express();
const file = (...at) => (req, res) => res.sendFile(path.join(__dirname, ...at), { dotfiles: 'allow' });
app.get('/old.js', file('node_modules/shoe/node_modules/sockjs-client/sockjs.js')); // 0.3.1, in npm shoe
app.get('/new.js', file('node_modules/sockjs-client/dist/sockjs.min.js'));
app.get('/', file('recipe-sockjs.html'));

const echo = sockjs.createServer({ log() {} });
echo.on('connection', (conn) => conn.on('data', (message) => conn.write(name + ' ' + message)));
const server = http.createServer(app);
echo.installHandlers(server, { prefix: '/echo' });
server.listen(+port, '127.0.0.1');
