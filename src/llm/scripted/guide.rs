//! What the demo says of Salon when it is asked what one can do here, in the language it was asked in. Pure.

use super::question::Question;

/// What is asked for: how it is said in each language, in small letters, and the answer to it.
struct Guide {
    asked: &'static [&'static str],
    answer: &'static str,
}

const GUIDES: &[Guide] = &[
    Guide {
        asked: &[
            "what can you do",
            "what can i do",
            "what can we do",
            "what can one do",
            "what is salon",
            "what is this place",
            "how does this work",
            "how does salon work",
        ],
        answer: "## What you can do here\n\n\
            In Salon's rooms people and a language model talk, and all of them see the same words in the same order.\n\n\
            - **Rooms**: join a public one with the compass above the list, or make your own with **+**, public or private.\n\
            - **Invites**: *Invite people* in a room's menu makes a link. Whoever follows it is in, with the role you chose.\n\
            - **Roles**: readers read, members write, moderators keep order, owners decide about the room.\n\
            - **Assistants**: write `@{name}` and a question. Owners may add more, each with instructions of its own.\n\
            - **Search**: the magnifying glass finds words, or how they begin, in this room or in all of yours.\n\
            - **Keys**: `Ctrl` and `/` lists them; a message that begins with `/` is a command.\n\n\
            I am a **built-in demo model**: I answer from a script and understand nothing. Whoever runs this server finds in its \
            `docs/operate.md`, under “The assistant”, how a real model answers here.\n",
    },
    Guide {
        asked: &[
            "was kannst du",
            "was kann ich",
            "was kann man",
            "was können wir",
            "was ist salon",
            "was ist das hier",
            "wie funktioniert das",
            "wie funktioniert salon",
        ],
        answer: "## Was man hier tun kann\n\n\
            In den Räumen von Salon reden Menschen und ein Sprachmodell, und alle sehen dieselben Wörter in derselben Reihenfolge.\n\n\
            - **Räume**: tritt mit dem Kompass über der Liste einem öffentlichen bei, oder lege mit **+** einen eigenen an, öffentlich oder privat.\n\
            - **Einladungen**: *Leute einladen* im Menü eines Raums macht einen Link. Wer ihm folgt, ist darin, in der Rolle, die du gewählt hast.\n\
            - **Rollen**: Leser lesen, Mitglieder schreiben, Moderatoren halten Ordnung, Eigentümer bestimmen über den Raum.\n\
            - **Assistenten**: schreibe `@{name}` und eine Frage. Eigentümer können weitere anlegen, jeden mit eigenen Anweisungen.\n\
            - **Suche**: die Lupe findet Wörter und Wortanfänge, in diesem Raum oder in allen deinen.\n\
            - **Tasten**: `Strg` und `/` zeigt sie; eine Nachricht, die mit `/` beginnt, ist ein Befehl.\n\n\
            Ich bin ein **eingebautes Demo-Modell**: ich antworte nach Drehbuch und verstehe nichts. Wer diesen Server betreibt, findet in \
            `docs/operate.md` unter „The assistant“, wie hier ein richtiges Modell antwortet.\n",
    },
    Guide {
        asked: &[
            "ماذا تستطيع",
            "ماذا أستطيع",
            "ماذا يمكن",
            "ما الذي يمكن",
            "ما هو salon",
            "كيف يعمل هذا",
        ],
        answer: "## ما يمكنك فعله هنا\n\n\
            في غرف Salon يتحدث الناس ونموذج لغوي، ويرى الجميع الكلمات نفسها بالترتيب نفسه.\n\n\
            - **الغرف**: انضم إلى غرفة عامة بالبوصلة فوق القائمة، أو أنشئ غرفتك بعلامة **+**، عامة أو خاصة.\n\
            - **الدعوات**: *دعوة أشخاص* في قائمة الغرفة تصنع رابطًا، ومن يتبعه يدخل بالدور الذي اخترته.\n\
            - **الأدوار**: القراء يقرؤون، والأعضاء يكتبون، والمشرفون يحفظون النظام، والمالكون يقررون شأن الغرفة.\n\
            - **المساعدون**: اكتب `@{name}` ثم سؤالك. وللمالكين أن يضيفوا غيره، لكل منهم تعليماته.\n\
            - **البحث**: تجد العدسة الكلمات وبداياتها، في هذه الغرفة أو في كل غرفك.\n\
            - **المفاتيح**: يعرضها `Ctrl` مع `/`؛ والرسالة التي تبدأ بعلامة `/` أمر.\n\n\
            أنا **نموذج تجريبي مدمج**: أجيب بنص مكتوب ولا أفهم شيئًا. ومن يشغّل هذا الخادم يجد في `docs/operate.md` تحت «The assistant» كيف يجيب هنا نموذج حقيقي.\n",
    },
];

/// The answer to who asks what one can do here; none to anything else.
pub(super) fn answer(question: &Question) -> Option<String> {
    let words: Vec<&str> = question.text.split_whitespace().collect();
    let asked = words.join(" ").to_lowercase();
    let guide = GUIDES
        .iter()
        .find(|guide| guide.asked.iter().any(|words| asked.contains(words)))?;
    // A name that has marks of its own would end the code that it stands in.
    let name = question.assistant.replace('`', "");
    Some(guide.answer.replace("{name}", &name))
}
