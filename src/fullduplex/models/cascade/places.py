"""Well-known places and their time zones.

The vocabulary of spoken slots named `city`, `place`, `country` or `location` (a recogniser must know the words it
may hear), and the table behind the demo's clock. Not a gazetteer: about two hundred names that people try first.
"""

from __future__ import annotations

PLACES: dict[str, str] = {}
"""Name as written, to IANA time zone. Countries with several zones stand for their capital's."""

_TABLE = """
Africa/Abidjan: Abidjan, Ivory Coast
Africa/Accra: Accra, Ghana
Africa/Addis_Ababa: Addis Ababa, Ethiopia
Africa/Algiers: Algiers, Algeria
Africa/Cairo: Cairo, Egypt
Africa/Casablanca: Casablanca, Morocco, Marrakesh
Africa/Johannesburg: Johannesburg, South Africa, Cape Town, Pretoria
Africa/Lagos: Lagos, Nigeria
Africa/Nairobi: Nairobi, Kenya
Africa/Tunis: Tunis, Tunisia
America/Anchorage: Anchorage, Alaska
America/Argentina/Buenos_Aires: Buenos Aires, Argentina
America/Bogota: Bogota, Colombia
America/Caracas: Caracas, Venezuela
America/Chicago: Chicago, Houston, Dallas, Austin, Texas, New Orleans, Minneapolis, Saint Louis
America/Denver: Denver, Colorado, Salt Lake City
America/Edmonton: Calgary, Edmonton
America/Halifax: Halifax
America/Havana: Havana, Cuba
America/Jamaica: Jamaica, Kingston
America/Lima: Lima, Peru
America/Los_Angeles: Los Angeles, San Francisco, Seattle, San Diego, Las Vegas, California, Portland
America/Mexico_City: Mexico City, Mexico
America/Montevideo: Montevideo, Uruguay
America/New_York: New York, Boston, Washington, Miami, Atlanta, Philadelphia, Detroit, Florida, Pittsburgh
America/Panama: Panama
America/Phoenix: Phoenix, Arizona
America/Santiago: Santiago, Chile
America/Sao_Paulo: Brazil, Rio de Janeiro, Sao Paulo
America/Toronto: Toronto, Ottawa, Montreal, Canada
America/Vancouver: Vancouver
Asia/Baghdad: Baghdad, Iraq
Asia/Bangkok: Bangkok, Thailand
Asia/Beirut: Beirut, Lebanon
Asia/Colombo: Sri Lanka
Asia/Damascus: Damascus, Syria
Asia/Dhaka: Bangladesh
Asia/Dubai: Dubai, Abu Dhabi
Asia/Ho_Chi_Minh: Vietnam, Hanoi, Saigon
Asia/Hong_Kong: Hong Kong
Asia/Jakarta: Jakarta, Indonesia
Asia/Jerusalem: Jerusalem, Israel, Tel Aviv
Asia/Kabul: Kabul, Afghanistan
Asia/Karachi: Karachi, Pakistan
Asia/Kathmandu: Nepal
Asia/Kolkata: India, Delhi, New Delhi, Mumbai, Bombay, Calcutta, Bangalore, Madras
Asia/Kuala_Lumpur: Kuala Lumpur, Malaysia
Asia/Manila: Manila, Philippines
Asia/Riyadh: Riyadh, Saudi Arabia
Asia/Seoul: Seoul, South Korea, Korea
Asia/Shanghai: Shanghai, Beijing, China
Asia/Singapore: Singapore
Asia/Taipei: Taipei, Taiwan
Asia/Tehran: Tehran, Iran
Asia/Tokyo: Tokyo, Japan, Osaka, Kyoto
Atlantic/Reykjavik: Iceland, Reykjavik
Australia/Adelaide: Adelaide
Australia/Brisbane: Brisbane
Australia/Melbourne: Melbourne
Australia/Perth: Perth
Australia/Sydney: Sydney, Australia, Canberra
Europe/Amsterdam: Amsterdam, Netherlands, Holland, Rotterdam
Europe/Athens: Athens, Greece
Europe/Belgrade: Belgrade, Serbia
Europe/Berlin: Berlin, Germany, Munich, Hamburg, Frankfurt, Cologne, Stuttgart
Europe/Brussels: Brussels, Belgium
Europe/Bucharest: Bucharest, Romania
Europe/Budapest: Budapest, Hungary
Europe/Copenhagen: Copenhagen, Denmark
Europe/Dublin: Dublin, Ireland
Europe/Helsinki: Helsinki, Finland
Europe/Istanbul: Istanbul, Turkey
Europe/Kyiv: Kiev, Kyiv, Ukraine
Europe/Lisbon: Lisbon, Portugal
Europe/London: London, England, Britain, Manchester, Edinburgh, Scotland, Liverpool, Oxford, Cambridge
Europe/Luxembourg: Luxembourg
Europe/Madrid: Madrid, Spain, Barcelona, Seville
Europe/Moscow: Moscow, Russia
Europe/Oslo: Oslo, Norway
Europe/Paris: Paris, France, Lyon, Marseille, Nice
Europe/Prague: Prague
Europe/Rome: Rome, Italy, Milan, Venice, Naples, Florence
Europe/Sofia: Sofia, Bulgaria
Europe/Stockholm: Stockholm, Sweden
Europe/Vienna: Vienna, Austria
Europe/Vilnius: Lithuania
Europe/Warsaw: Warsaw, Poland
Europe/Zurich: Zurich, Switzerland, Geneva, Basel
Pacific/Auckland: Auckland, New Zealand, Wellington
Pacific/Fiji: Fiji
Pacific/Honolulu: Honolulu, Hawaii
"""

for _line in _TABLE.strip().splitlines():
    _zone, _names = _line.split(": ")
    PLACES.update(dict.fromkeys(_names.split(", "), _zone))
