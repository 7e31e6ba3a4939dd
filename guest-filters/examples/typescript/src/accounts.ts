// Account numbers: IBANs, by ISO 13616. Nothing here knows of Consign, so it is tested by node as it is.

/** Which countries have them, and how long they are there. */
const COUNTRIES = `
  AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DK18 DO28 EE20 EG29 ES24 FI18
  FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20
  LU20 LV21 LY25 MC27 MD24 ME22 MK19 MR27 MT31 MU30 NL18 NO15 PK24 PL28 PS29 PT25 QA29 RO24 RS22 SA24 SC31 SE24
  SI19 SK24 SM27 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20
`;

const LENGTHS = new Map(COUNTRIES.trim().split(/\s+/).map((known) => [known.slice(0, 2), Number(known.slice(2))]));

/** How long the account numbers of a country are; undefined where it has none. */
export function length(country: string): number | undefined {
  return LENGTHS.get(country);
}

/** Whether a text holds an account number, alone or in groups with single spaces between them, of a country that counts. */
export function holdsAccount(text: string, counts: (country: string) => boolean): boolean {
  for (const start of text.matchAll(/(?<![A-Za-z0-9])[A-Z]{2}/g)) {
    const country = start[0];
    const long = counts(country) ? length(country) : undefined;
    if (long === undefined) continue;
    const rest = new RegExp(`(?: ?[A-Z0-9]){${long - 2}}(?![A-Za-z0-9])`, 'y');
    rest.lastIndex = start.index + 2;
    const found = rest.exec(text);
    if (found && checks(country + found[0].replaceAll(' ', ''))) return true;
  }
  return false;
}

/** The two check digits: the country and they go to the end, letters become numbers from 10 on, and the whole leaves 1 when it is divided by 97. */
function checks(number: string): boolean {
  let rest = 0;
  for (const character of number.slice(4) + number.slice(0, 4)) {
    const digit = Number.parseInt(character, 36);
    rest = (rest * (digit < 10 ? 10 : 100) + digit) % 97;
  }
  return /^..[0-9]{2}/.test(number) && rest === 1;
}
