// What the servers of this folder share: the port, the end, and SIGUSR2, on which
// they collect their garbage so that what remains is what connections hold.
'use strict';

const roomPath = '/broadcast';

function serve(server) {
  process.on('SIGUSR2', () => {
    global.gc();
    global.gc();
  });
  process.stdin.resume().on('end', () => process.exit());
  server.listen(0, '127.0.0.1', () => console.log(`127.0.0.1:${server.address().port}`));
}

module.exports = { serve, roomPath, deflate: process.argv.includes('-deflate') };
