# Echo server on Mojolicious. usage: perl mojolicious.pl PORT
use strict;
use warnings;
use Mojo::Server::Daemon;
use Mojolicious::Lite -signatures;

websocket '/*any' => { any => '' } => sub ($c) {
    $c->tx->max_websocket_size(1 << 21);
    $c->on(text   => sub ($c, $bytes) { $c->send({ text   => $bytes }) });
    $c->on(binary => sub ($c, $bytes) { $c->send({ binary => $bytes }) });
};
app->log->level('fatal');
app->mode('production');

my $daemon = Mojo::Server::Daemon->new(app => app, listen => ["http://127.0.0.1:$ARGV[0]"], silent => 1);
$daemon->start;
$| = 1;
print "listening\n";
Mojo::IOLoop->start;
