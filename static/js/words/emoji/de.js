/** What the emoji of `en.js` are called in German, in the same places. */
export default `
grinsen,lächeln/froh,freudentränen/lachen,kugeln,leicht lächeln,zwinkern,erröten,unschuldig/engel,herzaugen/liebe,herzen
kopfüber,lecker,kuss,zunge/verrückt,streber,cool/sonnenbrille,feiern,augen rollen,grimasse,schlafen/müde
maske,krank/fieber,umgehauen,verwirrt,enttäuscht,wow/überrascht,verlegen,bitte/flehen,weinen/traurig,heulen
schrei,wütend,teufel,schädel/totenkopf,gespenst/geist,roboter,haufen,nachdenken/hmm,leise/psst,umarmen
salutieren,schmelzen,puh/schwitzen,schulterzucken,stirn fassen,nichts sehen/affe,beten/danke,daumen hoch/ja,daumen runter/nein,okay
klatschen/bravo,hurra,winken/hallo,handschlag/abgemacht,stark/muskel,frieden/sieg,daumen drücken/glück,nach rechts,nach oben,nach unten
hand/halt,schreiben,augen/schauen,gehirn,herzhände,herz,grünes herz,blaues herz,lila herz,gebrochenes herz
hundert,feuer,funkeln,stern,blitz,knall,konfetti/glückwunsch/party,geschenk,ballon,kuchen/geburtstag
pokal,goldmedaille/erster,volltreffer/ziel,rakete,idee/glühbirne,glocke,stecknadel,link/kette,schloss,schlüssel
suche/lupe,werkzeug,schraubenschlüssel,reagenzglas/test,käfer/fehler,laptop,handy,e-mail,kalender,wecker/uhr
sanduhr/warten,notiz/zettel,bücher,buch/lesen,paket,steigend,fallend,geld,erledigt/haken,falsch/kreuz
warnung,blaulicht/alarm,frage,ausrufezeichen,sonne,mond,wolke,regen,schnee,regenbogen
welle/meer,erde/welt,rose/blume,keimling/pflanze,hund,katze,panda,fuchs,einhorn,schildkröte
schlange,krabbe,pinguin,kaffee,wein,bier,prost/anstoßen,burger,pizza,keks
schokolade,haus/zuhause,flugzeug,zug/bahn,auto,fahrrad,fußball,musik,spiel,kamera/foto
`;
