#!/usr/bin/perl
# Perl's Protocol::WebSocket 0.26: usage perl.pl URL VERSION [gateway]
# With `gateway` a gateway and a backend of test/gateway are in the server's place.
# The module has handshakes and frames but no sockets; those are here.
use strict;
use warnings;
use utf8;
use Digest::SHA ();
use Encode ();
use IO::Socket::INET;
use Socket qw(IPPROTO_TCP TCP_NODELAY SOL_SOCKET SO_LINGER);
use Protocol::WebSocket::Frame;
use Protocol::WebSocket::Handshake::Client;

$| = 1;
$SIG{PIPE} = 'IGNORE';
my ($url, $version, $gateway) = @ARGV;
$url =~ s{/+$}{};
my %drafts = (
    'hixie-75' => 'draft-hixie-75',
    'hixie-76' => 'draft-ietf-hybi-00',
    'hybi-08'  => 'draft-ietf-hybi-10',
    'rfc6455'  => 'draft-ietf-hybi-17',
);
my $draft = $drafts{$version} or die "no such version: $version\n";
my $hixie = $version =~ /^hixie/;
my $mixed = "aéßЖ€漢字😀𝄞 ";    # 1 to 4 bytes a character
my $patience = $gateway ? 60 : 20;    # seconds for a case; through a gateway many play at once
my @sizes = (0, 125, 126, 65535, 65536, 1048576);

sub text_of {
    my $n = shift;
    my $s = '0123456789abcdefghijklmnopqrstuvwxyz-ABCDEFGHIJKLMNOPQRSTUVWXYZ.' x ($n / 64 + 1);
    return substr $s, 0, $n;
}

sub bytes_of {
    my $n = shift;
    return pack 'C*', map { ($_ * 7 + ($_ >> 8)) & 255 } 0 .. $n - 1;
}

# A connection: { socket, frames, response }. Dies with what went wrong.
sub open_connection {
    my ($path, $protocol) = @_;
    my ($where) = $url =~ m{^ws://([^/]+)} or die "not a ws: address: $url\n";
    my $socket = IO::Socket::INET->new(PeerAddr => $where, Proto => 'tcp') or die "connect $where: $!\n";
    setsockopt $socket, IPPROTO_TCP, TCP_NODELAY, 1;
    binmode $socket;

    my $handshake = Protocol::WebSocket::Handshake::Client->new(url => $url . $path, version => $draft);
    $handshake->req->subprotocol($protocol) if defined $protocol;
    my $request = $handshake->to_string;
    write_all($socket, $request);

    my $head = '';
    until ($head =~ /\r\n\r\n$/) {
        sysread($socket, $head, 1, length $head) or die "end of stream in the head: $head\n";
    }
    my $body = '';
    if ($version eq 'hixie-76' && $head =~ m{^HTTP/1.1 101 }) {
        while (length $body < 16) {
            sysread($socket, $body, 16 - length $body, length $body) or die "end of stream in the 16 bytes\n";
        }
    }
    my $copy = $head . $body;
    $handshake->parse($copy) && $handshake->is_done
      or die 'handshake: ' . ($handshake->error || 'not done') . ": $head" . unpack('H*', $body) . "\n";
    strict_head($request, $head, $path, $protocol);

    my $frames = Protocol::WebSocket::Frame->new(version => $draft, max_payload_size => 0);
    return { socket => $socket, frames => $frames, response => $handshake->res };
}

# What the draft has the client check and the module does not.
sub strict_head {
    my ($request, $head, $path, $protocol) = @_;
    my %want;
    if ($hixie) {
        my $prefix = $version eq 'hixie-75' ? 'WebSocket' : 'Sec-WebSocket';
        my ($origin) = $request =~ /^Origin: (.*)\r$/m;
        %want = ('Upgrade' => 'WebSocket', "$prefix-Origin" => $origin, "$prefix-Location" => $url . $path);
        $want{"$prefix-Protocol"} = $protocol if defined $protocol;
    }
    else {
        my ($key) = $request =~ /^Sec-WebSocket-Key: (.*)\r$/m;
        my $accept = Digest::SHA::sha1_base64($key . '258EAFA5-E914-47DA-95CA-C5AB0DC85B11') . '=';
        %want = ('Sec-WebSocket-Accept' => $accept);
        $want{'Sec-WebSocket-Protocol'} = $protocol if defined $protocol;
    }
    for my $name (sort keys %want) {
        my ($got) = $head =~ /^\Q$name\E: (.*)\r$/mi;
        defined $got && $got eq $want{$name} or die "$name: want $want{$name}, got " . ($got // 'none') . "\n";
    }
}

sub write_all {
    my ($socket, $bytes) = @_;
    my $at = 0;
    while ($at < length $bytes) {
        $at += syswrite($socket, $bytes, length($bytes) - $at, $at) || die "write: $!\n";
    }
}

sub send_frame {
    my ($c, $type, $bytes) = @_;
    my $frame = Protocol::WebSocket::Frame->new(
        version => $draft, type => $type, buffer => $bytes, masked => 1, max_payload_size => 0);
    write_all($c->{socket}, $frame->to_bytes);
}

# The next frame as (opcode, bytes); nothing at the end of the stream.
sub receive {
    my $c = shift;
    while (1) {
        $c->{frames}->opcode(1) if $hixie;    # it keeps the 8 of a close for ever
        my $bytes = $c->{frames}->next_bytes;
        return ($c->{frames}->opcode, $bytes) if defined $bytes;
        my $n = sysread $c->{socket}, my $chunk, 65536;
        defined $n or die "read: $!\n";
        return unless $n;
        $c->{frames}->append($chunk);
    }
}

sub expect {
    my ($c, $opcode, $want) = @_;
    my ($got, $bytes) = receive($c) or die "end of stream\n";
    $got == $opcode or die "want opcode $opcode, got $got: " . unpack('H*', substr $bytes, 0, 40) . "\n";
    $bytes eq $want and return;
    die sprintf "want %d bytes %s, got %d bytes %s\n", length $want, unpack('H*', substr $want, 0, 40),
      length $bytes, unpack('H*', substr $bytes, 0, 40);
}

sub expect_end {
    my ($opcode, $bytes) = receive(shift) or return;
    die "want end of stream, got opcode $opcode: " . unpack('H*', substr $bytes, 0, 40) . "\n";
}

my @cases;    # [name, code]

sub add_echo {
    my ($name, $type, @messages) = @_;
    push @cases, [$name, sub {
        my $c = open_connection("/echo?case=$name");
        send_frame($c, $type, $_) for @messages;
        expect($c, $type eq 'text' ? 1 : 2, $_) for @messages;
    }];
}

add_echo("text-$_", 'text', text_of($_)) for @sizes;
add_echo('utf8',      'text', Encode::encode('UTF-8', $mixed));
add_echo('utf8-long', 'text', Encode::encode('UTF-8', $mixed x 4000));
unless ($hixie) { add_echo("binary-$_", 'binary', bytes_of($_)) for @sizes }
add_echo('several', 'text', map { "$_:" . text_of($_ % 5 * 60) } 0 .. 49);

push @cases, ['subprotocol', sub {
    my $c = open_connection('/echo?case=subprotocol', 'chat');
    my $got = $c->{response}->subprotocol // 'none';
    $got eq 'chat' or die "want chat, got $got\n";
}];

push @cases, ['close-client', sub {
    my $c = open_connection('/echo?case=close-client');
    if ($version eq 'hixie-75') {
        shutdown $c->{socket}, 1;    # the only close that this version has
    }
    else {
        my $body = $hixie ? '' : pack('n', 1000) . 'done';
        send_frame($c, 'close', $body);
        my ($opcode, $bytes) = receive($c) or die "end of stream without a close frame\n";
        $opcode == 8 or die "want close, got opcode $opcode\n";
        $hixie || substr($bytes, 0, 2) eq pack('n', 1000) or die 'want code 1000, got ' . unpack('H*', $bytes) . "\n";
    }
    expect_end($c);
}];

push @cases, ['close-server', sub {
    my $c = open_connection('/close?code=4001&reason=bye');
    if ($version ne 'hixie-75') {
        my $body = $hixie ? '' : pack('n', 4001) . 'bye';
        expect($c, 8, $body);
        send_frame($c, 'close', $body);
    }
    expect_end($c);
}];

# What only a backend behind a gateway can do. Codes that hybi-08 does not know come as 1002.
sub add_closed {
    my ($name, $path, $code, $reason) = @_;
    push @cases, [$name, sub {
        my $c = open_connection($path);
        if ($version ne 'hixie-75') {
            my $body = $hixie ? '' : pack('n', $code) . $reason;
            expect($c, 8, $body);
            send_frame($c, 'close', $body);
        }
        expect_end($c);
    }];
}

if ($gateway) {
    add_echo('scripts', 'text', map { Encode::encode('UTF-8', $_) } qw(Ελληνικά עברית العربية हिन्दी 日本語 한국어 ไทย 𐍈👩‍💻));
    my $new = $version eq 'rfc6455';
    add_closed('close-policy', '/close?code=1008&reason=policy', $new ? 1008 : 1002, 'policy');
    add_closed('backend-lost', '/drop', $new ? 1011 : 1002, 'backend: connection lost');
    if ($hixie) { add_closed('binary-from-backend', '/binary', 0, '') }
    else {
        push @cases, ['binary-from-backend', sub { expect(open_connection('/binary'), 2, bytes_of(125)) }];
    }
    push @cases, ['client-lost', sub {
        my $c = open_connection('/echo?case=client-lost');
        setsockopt $c->{socket}, SOL_SOCKET, SO_LINGER, pack('ii', 1, 0);    # TCP's RST
        close $c->{socket};
    }];
}

print '1..' . @cases . "\n";
for (@cases) {
    my ($name, $code) = @$_;
    local $SIG{ALRM} = sub { die "timeout after $patience s\n" };
    alarm $patience;
    if (eval { $code->(); 1 }) { print "ok $name\n" }
    else {
        (my $why = $@) =~ s/\s+/ /g;
        print "not ok $name # " . substr($why, 0, 300) . "\n";
    }
    alarm 0;
}
