"""What English words say about time, as moments: "yesterday", "two weeks ago", "the week before 9 June 2023".

Written by hand instead of taken from ``dateparser`` or its kind: that one takes half a second to import, reads words
such as "may" and bare numbers as dates, and guesses what is not said. Here a phrase is either in the grammar or not
read. A day is a day of UTC and a week begins on Monday. Other languages yield what they share with English, such as
``2023-05-07``, else nothing.
"""

from zaxy.vocabulary.dates.grammar import Span, spans_in
from zaxy.vocabulary.dates.questions import Anchor, TimeQuestion, understand

__all__ = ["Anchor", "Span", "TimeQuestion", "spans_in", "understand"]
