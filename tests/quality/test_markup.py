"""The readers cut documentation at its headings and keep the prose."""

from tests.quality import markup, pod
from tests.quality.sections import Section

PAGE = """<html><head><title>t</title></head><body><div class="related"><h3>Navigation</h3></div>
<h1>Guide<a class="headerlink" href="#g">¶</a></h1><p>Opening
words.</p><h2>How do I   <em>start</em>?</h2><p>Run:</p><pre>a
  b</pre><ul><li>one</li><li>two</li></ul><dl><dt>Term</dt><dd>Meaning &amp; use<br>more</dd></dl></body></html>"""

POD = """=head1 NAME

guide - E<lt>a guideE<gt>

=head2 How do I use C<$x>?

See L<perlfunc/"open"> or L<the page|http://localhost/>; B<not I<this>>.

    print "kept  as it is";

=cut
"""


def test_html_is_cut_at_headings_and_terms() -> None:
    assert markup.read("p", PAGE) == [
        Section("p", "Guide", "Opening words."),
        Section("p", "How do I start?", "Run:\n\na\n b\n\none\n\ntwo"),
        Section("p", "Term", "Meaning & use\nmore"),
    ]


def test_pod_is_cut_at_headings_and_its_codes_are_resolved() -> None:
    assert pod.read("p", POD) == [
        Section("p", "NAME", "guide - <a guide>"),
        Section("p", "How do I use $x?", 'See perlfunc/"open" or the page; not this.\n\n    print "kept  as it is";'),
    ]
