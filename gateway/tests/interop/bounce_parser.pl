# What Mail::DeliveryStatus::BounceParser makes of a failure report and of a delay notice.
use strict;
use warnings;
use Mail::DeliveryStatus::BounceParser;

sub parsed {
    open(my $file, '<', shift) or die $!;
    return Mail::DeliveryStatus::BounceParser->new($file);
}

my ($failed, $late) = map { parsed($_) } @ARGV;
die "no bounce" unless $failed->is_bounce;
my @reports = $failed->reports;
my %reason = map { $_->get('email') => $_->get('std_reason') } @reports;
my $found = join ' ', map { "$_=$reason{$_}" } sort keys %reason;
# It reads no address in quotation marks.
die "found: $found" unless $found eq 'nobody@contoso.test=user_unknown';
die "a delay is taken for a bounce: " . join(' ', $late->addresses) if $late->is_bounce;
