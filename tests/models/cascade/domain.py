"""What is said to the demo agent in the tests: 25 sentences of its domain and 30 outside it.

The 25 are not the docstrings' examples word for word with one fixed filling: cities, numbers, politeness and
contractions vary. The 30 are what people ask other assistants.
"""

from __future__ import annotations

from typing import Any

IN_DOMAIN: list[tuple[str, str, dict[str, Any]]] = [
    ("what time is it in Tokyo", "get_time", {"city": "Tokyo"}),
    ("what's the time in Berlin", "get_time", {"city": "Berlin"}),
    ("tell me the time in New York please", "get_time", {"city": "New York"}),
    ("do you know what time it is in Sydney", "get_time", {"city": "Sydney"}),
    ("what is the local time in Brazil", "get_time", {"city": "Brazil"}),
    ("what time is it", "get_time", {}),
    ("what is the weather in Paris", "get_weather", {"city": "Paris"}),
    ("what's the weather like in London", "get_weather", {"city": "London"}),
    ("how is the weather in San Francisco today", "get_weather", {"city": "San Francisco"}),
    ("is it raining in Dublin", "get_weather", {"city": "Dublin"}),
    ("how warm is it in Madrid", "get_weather", {"city": "Madrid"}),
    ("do i need an umbrella in Amsterdam", "get_weather", {"city": "Amsterdam"}),
    ("set a timer for five minutes", "set_timer", {"amount": 5, "unit": "minute"}),
    ("set a timer for twenty five seconds please", "set_timer", {"amount": 25, "unit": "second"}),
    ("start a ten minute timer", "set_timer", {"amount": 10, "unit": "minute"}),
    ("could you set the timer to two hours", "set_timer", {"amount": 2, "unit": "hour"}),
    ("remind me in forty minutes", "set_timer", {"amount": 40, "unit": "minute"}),
    ("what is twelve times seven", "calculate", {"first_number": 12, "operation": "times", "second_number": 7}),
    (
        "how much is one hundred divided by four",
        "calculate",
        {"first_number": 100, "operation": "divided by", "second_number": 4},
    ),
    ("calculate thirty six plus nineteen", "calculate", {"first_number": 36, "operation": "plus", "second_number": 19}),
    ("what is eighty minus thirteen", "calculate", {"first_number": 80, "operation": "minus", "second_number": 13}),
    ("roll two dice", "roll_dice", {"count": 2}),
    ("please roll a die with twenty sides", "roll_dice", {"sides": 20}),
    ("count to thirty", "count_to", {"number": 30}),
    ("tell me about yourself", "tell_about_yourself", {}),
]

OUT_OF_DOMAIN = [
    "tell me a joke",
    "play some jazz music",
    "who won the world cup",
    "turn on the lights in the kitchen",
    "send an email to my boss",
    "what is the capital of france",
    "how old is the president",
    "book a flight to london",
    "call my mother",
    "order a pizza with cheese",
    "what is the meaning of life",
    "translate hello into french",
    "read me the news",
    "how tall is mount everest",
    "write a poem about the sea",
    "open the garage door",
    "what should i cook tonight",
    "find a restaurant near me",
    "what is the stock price of apple",
    "show me pictures of cats",
    "add milk to my shopping list",
    "when does the train leave",
    "how do i fix my bicycle",
    "who wrote hamlet",
    "remember that my car is red",
    "increase the volume",
    "where did i leave my keys",
    "my favorite color is blue",
    "the meeting was moved to thursday",
    "i had a great day at the beach",
]
