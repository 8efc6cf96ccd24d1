# One request by one library, set up for no proxy: client.pl LIBRARY URL.
use strict;
use warnings;

my ($library, $url) = @ARGV;
my %clients = (
    'lwp' => sub { require LWP::UserAgent; LWP::UserAgent->new->get($url)->as_string },
    'lwp-simple' => sub { require LWP::Simple; LWP::Simple::get($url) },
    'http-tiny' => sub { require HTTP::Tiny; HTTP::Tiny->new(verify_SSL => 0)->get($url)->{content} },
    'http-tiny-verifying' => sub { require HTTP::Tiny; HTTP::Tiny->new(verify_SSL => 1)->get($url)->{content} },
    'mojo' => sub { require Mojo::UserAgent; Mojo::UserAgent->new->get($url)->result->body },
);
print $clients{$library}->() // die "no answer\n";
