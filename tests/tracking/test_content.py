"""What of a table is a curve."""

from calse.tracking.content import curve


def test_a_column_of_words_is_no_curve():
    text = "picture,clip,yaw\n0,DONOR-1-SPEECH-1,-1.5\n1,7,\n2,8,2.5\n"
    assert curve(text) == {("metric", "yaw", 0): -1.5, ("metric", "yaw", 2): 2.5}
