#!/usr/bin/perl
# A device of Perl's Protocol::WebSocket 0.26: usage gateway-mirror.pl URL VERSION AGENT TEXT...
# It sends each text, prints the answer, and closes.
use strict;
use warnings;
use IO::Socket::INET;
use Protocol::WebSocket::Frame;
use Protocol::WebSocket::Handshake::Client;

my ($url, $version, $agent, @texts) = @ARGV;
my %drafts = ('hixie-76' => 'draft-ietf-hybi-00', 'hybi-08' => 'draft-ietf-hybi-10');
my $draft = $drafts{$version} or die "no such version: $version\n";
my ($where) = $url =~ m{^ws://([^/]+)} or die "not a ws: address: $url\n";
my $socket = IO::Socket::INET->new(PeerAddr => $where, Proto => 'tcp') or die "connect $where: $!\n";
binmode $socket;
my $handshake = Protocol::WebSocket::Handshake::Client->new(url => $url, version => $draft);
my $request = $handshake->to_string;
$request =~ s/\r\n/\r\nUser-Agent: $agent\r\n/;
syswrite $socket, $request;
my $head = '';
until ($head =~ /\r\n\r\n$/) {
    sysread($socket, $head, 1, length $head) or die "end of stream in the head: $head\n";
}
my $body = '';
while ($version eq 'hixie-76' && length $body < 16) {
    sysread($socket, $body, 16 - length $body, length $body) or die "end of stream in the 16 bytes\n";
}
$handshake->parse($head . $body) && $handshake->is_done or die "handshake: $head\n";
my $frames = Protocol::WebSocket::Frame->new(version => $draft);
for my $text (@texts) {
    syswrite $socket, Protocol::WebSocket::Frame->new(version => $draft, buffer => $text, masked => 1)->to_bytes;
    my $answer;
    until (defined($answer = $frames->next_bytes)) {
        sysread($socket, my $chunk, 65536) or die "end of stream\n";
        $frames->append($chunk);
    }
    print "$answer\n";
}
syswrite $socket, Protocol::WebSocket::Frame->new(version => $draft, type => 'close', masked => 1)->to_bytes;
sysread $socket, my $rest, 65536;
