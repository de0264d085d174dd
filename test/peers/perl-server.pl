# Echo server on Perl's Protocol::WebSocket: hixie-75, hixie-76, hybi-08, RFC 6455. A process
# a connection. usage: perl perl-server.pl PORT
use strict;
use warnings;
use IO::Socket::INET;
use Protocol::WebSocket::Frame;
use Protocol::WebSocket::Handshake::Server;

$| = 1;
$SIG{CHLD} = 'IGNORE';
my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => shift, Listen => 100, ReuseAddr => 1)
    or die "perl-server: $@\n";
print "listening\n";
while (my $peer = $listener->accept) {
    my $pid = fork;
    if (!$pid) { serve($peer); exit }
    close $peer;
}

sub send_all {
    my ($peer, $bytes) = @_;
    while (length $bytes) {
        my $n = syswrite $peer, $bytes or return;
        substr $bytes, 0, $n, '';
    }
    return 1;
}

sub serve {
    my $peer = shift;
    my $handshake = Protocol::WebSocket::Handshake::Server->new;
    my ($frame, $version, $bytes);
    while (sysread $peer, $bytes, 65536) {
        if (!$frame) {
            $handshake->parse($bytes) or return;
            # A client's eight bytes may come only when it has seen the head.
            send_all($peer, $handshake->to_string) if $handshake->is_body || $handshake->is_done;
            $handshake->is_done or next;
            $version = $handshake->version;
            $frame = Protocol::WebSocket::Frame->new(version => $version, max_payload_size => 1 << 21);
            return closed($peer, $version, asked($handshake->req->resource_name)) if $handshake->req->resource_name =~ m{^/close\b};
        }
        $frame->append($bytes);
        while (defined(my $data = $frame->next_bytes)) {
            return closed($peer, $version, $data) if $frame->is_close;
            my $type = $frame->is_binary ? 'binary' : $frame->is_ping ? 'pong' : $frame->is_pong ? next : 'text';
            send_all($peer, Protocol::WebSocket::Frame->new(version => $version, type => $type, buffer => $data, max_payload_size => 1 << 21)->to_bytes)
                or return;
        }
    }
}

# asked PATH: the body of the close that it asks for.
sub asked {
    my ($code) = $_[0] =~ /code=(\d+)/;
    my ($reason) = $_[0] =~ /reason=(\w+)/;
    return $code ? pack('n', $code) . ($reason // '') : '';
}

# closed PEER VERSION BODY: closes in the way of the version, and waits for the peer's end.
sub closed {
    my ($peer, $version, $body) = @_;
    send_all($peer, Protocol::WebSocket::Frame->new(version => $version, type => 'close', buffer => $body)->to_bytes)
        if $version ne 'draft-hixie-75';
    shutdown $peer, 1;
    1 while sysread $peer, my $rest, 65536;
}
